using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.PartyNode;

namespace VertFed.UnitTests.Recovery;

/// <summary>A job that is run many times over: its keys, files and spec, and the root seeds that the first run drew.</summary>
internal sealed class RecoveryCase : IAsyncDisposable
{
    private const int Rows = 240;
    private readonly TemporaryPlace _place = new();
    private readonly Dictionary<Role, Identity> _identities = new() { [Role.LabelParty] = Identity.Create(), [Role.FeatureParty] = Identity.Create() };
    private readonly Identity _analyst = Identity.Create();
    private readonly Identity _coordinator = Identity.Create();
    private readonly ConcurrentBag<Task> _buried = [];
    private int _runs;

    public RecoveryCase(Family family, uint maxIterations, uint deadlineSeconds = 60)
    {
        WriteData(family, "K", missing: 0);
        TestTls.Save(_coordinator, CoordinatorIdentityPath, Made);
        JobSpec spec = new()
        {
            Version = 1,
            Job = "00112233445566778899aabbccddeeff",
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(_identities[Role.LabelParty].Public.FingerprintBytes) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom(_identities[Role.FeatureParty].Public.FingerprintBytes) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = family, L2 = 1e-2, MaxIterations = maxIterations },
            Holdout = 0.2,
            DeadlineSeconds = deadlineSeconds,
            Payloads = Payloads.Full,
            AcceptDisclosureRisk = true,
        };
        Job = SignedJob.Create(JobSpecification.FromMessage(spec), _analyst);
    }

    /// <summary>When the certificates were made: long enough ago for a clock that is behind.</summary>
    public static TimeProvider Made { get; } = new OtherClock(TimeSpan.FromDays(-1));

    public SignedJob Job { get; private set; }

    public string JobId => Job.Specification.Job;

    /// <summary>What the first run recorded of its attempt, by role; later runs begin with the same.</summary>
    public Dictionary<Role, AttemptRecord> Attempts { get; } = [];

    /// <summary>What an earlier job left, by actor, where runs do not begin with nothing.</summary>
    public Dictionary<Actor, string> Beginnings { get; } = [];

    public string CoordinatorIdentityPath => _place.At("coordinator.pem");

    public Identity Analyst => _analyst;

    public string CoordinatorFingerprint => _coordinator.Fingerprint;

    public Identity IdentityOf(Role role) => _identities[role];

    /// <summary>A fresh folder for one run.</summary>
    public string NewFolder()
    {
        string folder = _place.At("run" + Interlocked.Increment(ref _runs).ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(folder);
        return folder;
    }

    /// <summary>From now on the job scores other customers, some of whom the retailer does not have, with the model of the job so far.</summary>
    public void TurnToScoring()
    {
        JobSpec spec = Job.Specification.ToMessage();
        spec.Score = new ScoreSpec { Model = spec.Job };
        spec.Job = "ffeeddccbbaa99887766554433221100";
        spec.Kind = JobKind.Score;
        spec.Train = null;
        spec.Holdout = 0;
        Job = SignedJob.Create(JobSpecification.FromMessage(spec), _analyst);
        Attempts.Clear();
        WriteData(Family.Linear, "N", missing: 20);
    }

    /// <summary>Changes a party's file.</summary>
    public void Change(string file, Func<string, string> change)
    {
        string text = File.ReadAllText(_place.At(file));
        string changed = change(text);
        if (changed == text)
        {
            throw new InvalidOperationException("The file stays as it is.");
        }

        File.WriteAllText(_place.At(file), changed);
    }

    /// <summary>Another spec under the same job id, signed by the same submitter; serialised.</summary>
    public byte[] SignAgain(string title)
    {
        JobSpec spec = Job.Specification.ToMessage();
        spec.Title = title;
        return SignedJob.Create(JobSpecification.FromMessage(spec), _analyst).Message.ToByteArray();
    }

    /// <summary>A party's configuration in a run, with its data folder of one life.</summary>
    public string Configuration(Role role, int port, string dataFolder)
    {
        bool isLabel = role == Role.LabelParty;
        (string name, string peer) = isLabel ? ("bank", "retailer") : ("retailer", "bank");
        return $$"""
            name: {{name}}
            role: {{(isLabel ? "label" : "feature")}}
            coordinator: https://127.0.0.1:{{port}}
            coordinator_fingerprint: {{_coordinator.Fingerprint}}
            identity: {{name}}.pem
            data_dir: {{dataFolder}}
            peers: [{name: {{peer}}, fingerprint: {{IdentityOf(isLabel ? Role.FeatureParty : Role.LabelParty).Fingerprint}}}]
            submitters: [{{Analyst.Fingerprint}}]
            data: {csv: {{_place.At(name + ".csv")}}}
            policy:
              allow_disclosure_risk: true
              report_intersection_sha256: true
            """;
    }

    /// <summary>What a finished run leaves to end by itself; awaited when the case is over.</summary>
    public void Bury(Task run) => _buried.Add(run);

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_buried);
        foreach (Identity identity in _identities.Values)
        {
            identity.Dispose();
        }

        _analyst.Dispose();
        _coordinator.Dispose();
        _place.Dispose();
    }

    /// <param name="missing">How many of the bank's customers the retailer does not have.</param>
    private void WriteData(Family family, string prefix, int missing)
    {
        Random random = new(11);
        StringBuilder bank = new("id,y,b0\n");
        StringBuilder retailer = new("id,r0\n");
        for (int i = 0; i < Rows; i++)
        {
            double own = random.NextDouble() - 0.5;
            double other = random.NextDouble() - 0.5;
            double eta = own + (2 * other) + (0.3 * (random.NextDouble() - 0.5));
            string label = family == Family.Linear ? eta.ToString("F4", CultureInfo.InvariantCulture) : eta > 0 ? "1" : "0";
            bank.Append(CultureInfo.InvariantCulture, $"{prefix}{i},{label},{own:F4}\n");
            if (i >= missing)
            {
                retailer.Append(CultureInfo.InvariantCulture, $"{prefix}{i},{other:F4}\n");
            }
        }

        File.WriteAllText(_place.At("bank.csv"), bank.ToString());
        File.WriteAllText(_place.At("retailer.csv"), retailer.ToString());
    }
}
