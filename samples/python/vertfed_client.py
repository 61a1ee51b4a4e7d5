#!/usr/bin/python3
"""Submits a job to a VertFed coordinator, watches it to its end, and says whose report parts have come. README.md says how to run it."""
import argparse, base64, hashlib, json, secrets, sys
import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from google.protobuf import json_format
from vertfed.v1 import job_pb2, services_pb2, services_pb2_grpc


def read(path):
    with open(path, "rb") as file:
        return file.read()


def sign(key, data):
    """ECDSA P-256 with SHA-256, as r and s of 32 bytes each."""
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signed_job(path, key, token):
    """The signed spec of a JSON file: JobSpec by the rules of proto3, with fingerprints in hexadecimal."""
    fields = json.loads(read(path))
    for party in (fields["label_party"], fields["feature_party"]):
        party["fingerprint"] = base64.b64encode(bytes.fromhex(party["fingerprint"])).decode()
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    job = hashlib.sha256(b"vertfed/v1/job-id" + public + token.encode()).hexdigest()[:32] if token else secrets.token_hex(16)
    spec = json_format.ParseDict({"version": 1, "job": job, **fields}, job_pb2.JobSpec()).SerializeToString()
    return job_pb2.SignedJobSpec(spec=spec, submitter_key=public, signature=sign(key, b"vertfed/v1/job-spec" + hashlib.sha256(spec).digest()))


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("spec", help="the job (JSON)")
options.add_argument("--coordinator", required=True, metavar="HOST:PORT")
options.add_argument("--coordinator-certificate", required=True, help="PEM; the only one that is trusted")
options.add_argument("--identity", required=True, help="your key (PEM), with its certificate (.crt) beside it")
options.add_argument("--client-token", default="", help="a name for this request: repeating it makes no second job")
given = options.parse_args()
pem = read(given.identity)
certificate = read(given.identity.removesuffix(".pem") + ".crt")
credentials = grpc.ssl_channel_credentials(read(given.coordinator_certificate), pem, certificate)
with grpc.secure_channel(given.coordinator, credentials) as channel:
    jobs = services_pb2_grpc.JobServiceStub(channel)
    try:
        job = signed_job(given.spec, serialization.load_pem_private_key(pem, None), given.client_token)
        status = jobs.Submit(services_pb2.SubmitRequest(job=job, client_token=given.client_token), timeout=30)
        for status in jobs.Watch(services_pb2.GetJobRequest(job=status.job)):
            print(status.job, job_pb2.JobState.Name(status.state), f"round {status.round}, {status.bytes} bytes, waiting for {list(status.awaited)}", flush=True)
        report = jobs.Report(services_pb2.GetJobRequest(job=status.job), timeout=30)
    except grpc.RpcError as error:
        reason = dict(error.trailing_metadata() or ()).get("vertfed-code", "")
        sys.exit(f"{error.code().name} {reason}: {error.details()}")
print(job_pb2.JobState.Name(report.status.state), report.status.error.message, "sealed report parts of:", ", ".join(part.party for part in report.parts))
sys.exit(0 if report.status.state == job_pb2.JOB_STATE_DONE else 1)
