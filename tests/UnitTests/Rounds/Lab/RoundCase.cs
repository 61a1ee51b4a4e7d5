using System.Globalization;
using System.Text;
using Google.Protobuf;
using VertFed.Horizontal.Learning;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
using VertFed.UnitTests.Horizontal;
using VertFed.UnitTests.PartyNode;

namespace VertFed.UnitTests.Rounds.Lab;

/// <summary>A horizontal job that is run many times over: its keys, files, spec, and the root seeds of its parties.</summary>
internal sealed class RoundCase : IDisposable
{
    public const string JobId = "00112233445566778899aabbccddeeff";
    public const string CoordinatorStore = "coordinator.db";
    public const string PartyStore = "party.db";
    public const string SecretsFile = "secrets.key";
    private readonly TemporaryPlace _place = new(isInMemory: true);
    private int _runs;

    /// <param name="parties">2 to 100.</param>
    /// <param name="change">What differs from plain FedAvg of two rounds with one full step each.</param>
    /// <param name="rows">Of the first party; each further one has a few more.</param>
    /// <param name="given">Each party's rows, of so many features, instead.</param>
    /// <param name="publicRows">What all have as public data "shared"; the job names it.</param>
    public RoundCase(int parties, Action<HorizontalSpec>? change = null, int rows = 20, int features = 2, Examples[]? given = null, Examples? publicRows = null)
    {
        Names = [.. Enumerable.Range(1, parties).Select(place => $"p{place}")];
        Identities = [.. Names.Select(_ => Identity.Create())];
        Keys = [.. Identities.Select(identity => new NodeKeys(new NodeKey(TestTls.CredentialOf(identity), CheckpointSigner.Create(identity))))];
        Checkpoints = CheckpointSigner.Create(Coordinator);
        Seeds = [.. Enumerable.Range(1, parties).Select(place => Enumerable.Repeat((byte)place, 32).ToArray())];
        Rows = given ?? [.. Enumerable.Range(0, parties).Select(party => Given.Logistic((ulong)party + 1, rows + (2 * party), features, shift: 0.1 * party))];
        for (int party = 0; party < parties; party++)
        {
            Rows[party] = Rounded(Rows[party]);
            Write(Names[party], Rows[party]);
        }

        Write("shared", publicRows is null ? Rows[0] : Rounded(publicRows));
        JobSpec spec = new()
        {
            Version = 1,
            Job = JobId,
            Kind = JobKind.Horizontal,
            DeadlineSeconds = 600,
            Payloads = Payloads.Full,
            Horizontal = new HorizontalSpec
            {
                Model = "logistic",
                Strategy = "fedavg",
                Rounds = 2,
                Epochs = 1,
                Rate = 0.5,
                Optimiser = OptimiserChoice.Sgd,
                OverSelection = 1,
                RoundDeadlineSeconds = 60,
                SecureAggregation = SumProtection.None,
                Compression = "none",
                Scaling = ScalingChoice.Federated,
            },
        };
        spec.Parties.AddRange(Names.Zip(Identities).Select(pair => new PartyRef { Name = pair.First, Fingerprint = ByteString.CopyFrom(pair.Second.Public.FingerprintBytes) }));
        if (publicRows is not null)
        {
            spec.Horizontal.PublicRows = NameOf(publicRows);
        }

        change?.Invoke(spec.Horizontal);
        Job = SignedJob.Create(JobSpecification.FromMessage(spec), Analyst);
    }

    public string[] Names { get; }

    public Identity[] Identities { get; }

    public byte[][] Seeds { get; }

    /// <summary>Each party's rows.</summary>
    public Examples[] Rows { get; }

    public Identity Analyst { get; } = Identity.Create();

    public Identity Coordinator { get; } = Identity.Create();

    /// <summary>What the coordinator signs checkpoints with.</summary>
    public CheckpointSigner Checkpoints { get; }

    public SignedJob Job { get; }

    /// <summary>What a party shows of itself to a coordinator.</summary>
    public NodeKeys[] Keys { get; }

    /// <summary>A fresh folder for one run, with empty stores in which each party's attempt has begun with its root seed.</summary>
    public string NewFolder()
    {
        string template = _place.At("template");
        if (!Directory.Exists(template))
        {
            Prepare(template);
        }

        string folder = _place.At("run" + Interlocked.Increment(ref _runs).ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(template, CoordinatorStore), Path.Combine(folder, CoordinatorStore));
        foreach (string name in Names)
        {
            Directory.CreateDirectory(Path.Combine(folder, name));
            foreach (string file in new[] { PartyStore, SecretsFile })
            {
                File.Copy(Path.Combine(template, name, file), Path.Combine(folder, name, file));
            }
        }

        return folder;
    }

    /// <summary>A party's configuration in a run.</summary>
    public PartyConfig Configuration(int party, string folder)
    {
        IEnumerable<string> peers = Names.Zip(Identities).Where((_, other) => other != party).Select(pair => $"{{name: {pair.First}, fingerprint: {pair.Second.Fingerprint}}}");
        string text = $$"""
            name: {{Names[party]}}
            role: label
            coordinator: https://127.0.0.1:1
            coordinator_fingerprint: {{Coordinator.Fingerprint}}
            identity: none.pem
            data_dir: {{Path.Combine(folder, Names[party])}}
            peers: [{{string.Join(", ", peers)}}]
            submitters: [{{Analyst.Fingerprint}}]
            data: {csv: {{_place.At(Names[party] + ".csv")}}}
            public_data: {shared: {csv: {{_place.At("shared.csv")}} } }
            policy:
              minimum_intersection: 2
            """;
        return PartyConfig.Parse("party.yaml", text, _place.Folder);
    }

    public void Dispose()
    {
        Checkpoints.Dispose();
        foreach (NodeKeys keys in Keys)
        {
            keys.Dispose();
        }

        foreach (Identity identity in Identities)
        {
            identity.Dispose();
        }

        Analyst.Dispose();
        Coordinator.Dispose();
        _place.Dispose();
    }

    private void Prepare(string folder)
    {
        Directory.CreateDirectory(folder);
        SqliteCoordinatorStore.Open(Path.Combine(folder, CoordinatorStore)).DisposeAsync().AsTask().GetAwaiter().GetResult();
        for (int party = 0; party < Names.Length; party++)
        {
            PartyConfig config = Configuration(party, folder);
            Directory.CreateDirectory(config.DataDirectory);
            SqlitePartyStore store = SqlitePartyStore.Open(
                Path.Combine(config.DataDirectory, PartyStore), SecretsKey.LoadOrCreate(Path.Combine(config.DataDirectory, SecretsFile)));
            byte[] root = PreparedInput.Load(config, Job.Specification, CancellationToken.None).Root;
            AttemptRecord attempt = new(JobId, 1, Seeds[party], Job.SpecHash, config.Policy.Hash(), root, SoftwareVersion.Current);
            store.SaveAttemptAsync(attempt, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static Examples Rounded(Examples rows)
    {
        double[] features = [.. Enumerable.Range(0, rows.Count).SelectMany(row => rows.Row(row).ToArray()).Select(value => Math.Round(value, 6))];
        return Examples.FromRows(features, rows.Labels(), rows.Features);
    }

    private PublicRowsSpec NameOf(Examples rows)
    {
        DatasetOptions dataset = new() { Source = new CsvSource { Path = _place.At("shared.csv") }, Label = "y" };
        PublicRows shared = PublicRows.Load(dataset.Source, dataset, PublicRows.FeaturesOf(dataset, CancellationToken.None), CancellationToken.None);
        return new PublicRowsSpec { Name = "shared", Rows = (uint)rows.Count, Sha256 = ByteString.CopyFrom(shared.Sha256) };
    }

    private void Write(string name, Examples rows)
    {
        StringBuilder csv = new("id,y");
        for (int column = 0; column < rows.Features; column++)
        {
            csv.Append(CultureInfo.InvariantCulture, $",x{column}");
        }

        double[] labels = rows.Labels();
        for (int row = 0; row < rows.Count; row++)
        {
            csv.Append(CultureInfo.InvariantCulture, $"\n{name}-{row},{labels[row]}");
            foreach (double value in rows.Row(row))
            {
                csv.Append(CultureInfo.InvariantCulture, $",{value:R}");
            }
        }

        File.WriteAllText(_place.At(name + ".csv"), csv.Append('\n').ToString());
    }
}
