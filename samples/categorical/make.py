#!/usr/bin/env python3
"""Makes the four data files beside it, the same bytes each time. The customers are invented."""
import gzip
import math
import random

BETA = {"income": -0.5, "age": -0.03, "region": {"north": 0.0, "south": 0.7, "east": -0.5, "": 0.4}, "basket": -0.02,
        "visits": 0.12, "channel": {"store": 0.0, "online": 0.6, "phone": -0.4, "kiosk": 0.9, "fax": 0.9}}


def pick(rng, shares):
    left = rng.random()
    for word, share in shares:
        left -= share
        if left < 0:
            return word
    return shares[0][0]


def customer(rng):
    c = {"income": round(1 + 4 * rng.random(), 2), "age": 20 + int(55 * rng.random()), "basket": round(5 + 90 * rng.random(), 1),
         "visits": int(12 * rng.random()), "region": pick(rng, [("north", 0.46), ("south", 0.28), ("east", 0.2), ("", 0.06)]),
         "channel": pick(rng, [("store", 0.48), ("online", 0.34), ("phone", 0.1), ("kiosk", 0.05), ("fax", 0.03)])}
    score = 2.0 + sum(BETA[k] * c[k] for k in ("income", "age", "basket", "visits")) + BETA["region"][c["region"]] + BETA["channel"][c["channel"]]
    c["y"] = int(rng.random() < 1 / (1 + math.exp(-score)))
    if rng.random() < 0.08:
        c["age"] = "NA"
    return c


def write(name, lines):
    data = "".join(line + "\n" for line in lines).encode()
    with open(name, "wb") as file:
        if name.endswith(".gz"):
            with gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
                packed.write(data)
        else:
            file.write(data)


def bank(c, label):
    cells = [str(c["y"])] if label else []
    return ";".join([c["id"], *cells, f"{c['income']:.2f}".replace(".", ","), str(c["age"]), c["region"]])


def retailer(c):
    return ",".join([c["id"], f"{c['basket']:.1f}", str(c["visits"]), c["channel"]])


def files(rng, first, bank_only, shared, retailer_only, suffix):
    customers = [customer(rng) | {"id": f"C{first + i}"} for i in range(bank_only + shared + retailer_only)]
    own, theirs = customers[:bank_only + shared], customers[bank_only:]
    if suffix:
        # What training has not met: a region at the bank, a channel and a missing number at the retailer.
        for i in range(7):
            own[bank_only + 10 * i]["region"] = "west"
            theirs[5 + 10 * i]["channel"] = "app"
            theirs[7 + 10 * i]["visits"] = ""
    own.sort(key=lambda c: rng.random())
    theirs.sort(key=lambda c: rng.random())
    write(f"bank{suffix}.csv", ["id;" + ("" if suffix else "y;") + "income;age;region", *(bank(c, not suffix) for c in own)])
    write(f"retailer{suffix}.csv.gz", ["id,basket,visits,channel", *(retailer(c) for c in theirs)])


if __name__ == "__main__":
    rng = random.Random(20)
    files(rng, 10000, 500, 1900, 400, "")
    files(rng, 20000, 80, 320, 60, "-new")
