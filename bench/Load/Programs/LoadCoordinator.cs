using System.Globalization;
using System.Text;
using Google.Protobuf;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Load.Programs;

/// <summary>A coordinator in a process of its own, with the parties and analysts that a measure needs; their connections are this process's.</summary>
internal sealed class LoadCoordinator : IAsyncDisposable
{
    private readonly Place _place = new();
    private readonly Person _self = new("coordinator");
    private readonly List<GrpcChannel> _channels = [];
    private NodeProcess? _process;

    private LoadCoordinator(int parties, int analysts)
    {
        Parties = Person.Several("party", parties);
        Analysts = Person.Several("analyst", analysts);
    }

    public IReadOnlyList<Person> Parties { get; }

    public IReadOnlyList<Person> Analysts { get; }

    public string Address { get; private set; } = "";

    public string Fingerprint => _self.Fingerprint;

    public Usage Usage => _process!.Usage;

    public string Log => _process!.Log;

    /// <param name="limits">As in the configuration file: "frame_seconds: 1", parted by commas; empty: the defaults.</param>
    public static async Task<LoadCoordinator> StartAsync(int parties, int analysts, CancellationToken cancellationToken, string limits = "")
    {
        LoadCoordinator coordinator = new(parties, analysts);
        try
        {
            await coordinator.StartAsync(limits, cancellationToken);
            return coordinator;
        }
        catch
        {
            await coordinator.DisposeAsync();
            throw;
        }
    }

    /// <summary>A connection of its own.</summary>
    public GrpcChannel Connect(Person person)
    {
        GrpcChannel channel = person.Connect(Address, Fingerprint);
        lock (_channels)
        {
            _channels.Add(channel);
        }

        return channel;
    }

    public JobService.JobServiceClient Jobs(Person person) => new(Connect(person));

    /// <summary>A signed training job between two of the parties.</summary>
    public SignedJob NewJob(Person submitter, int label, int feature)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture),
            Kind = JobKind.Train,
            LabelParty = Reference(Parties[label]),
            FeatureParty = Reference(Parties[feature]),
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-2, MaxIterations = 30 },
            Holdout = 0.2,
            DeadlineSeconds = 900,
            Payloads = Payloads.Full,
        };
        return SignedJob.Create(JobSpecification.FromMessage(spec), submitter.Identity);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (GrpcChannel channel in _channels)
        {
            channel.Dispose();
        }

        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        foreach (Person person in Parties.Concat(Analysts).Append(_self))
        {
            person.Dispose();
        }

        _place.Dispose();
    }

    private static PartyRef Reference(Person person) => new() { Name = person.Name, Fingerprint = ByteString.CopyFrom(person.Identity.Public.FingerprintBytes) };

    private async Task StartAsync(string limits, CancellationToken cancellationToken)
    {
        _self.Save(_place.At("coordinator.pem"));
        StringBuilder text = new("listen: 127.0.0.1:0\nidentity: coordinator.pem\ndata: store\nlog: {level: error, format: plain}\nparties:\n");
        foreach (Person party in Parties)
        {
            text.Append(CultureInfo.InvariantCulture, $"  - {{name: {party.Name}, fingerprint: {party.Fingerprint}}}\n");
        }

        text.Append("principals:\n");
        foreach (Person analyst in Analysts)
        {
            text.Append(CultureInfo.InvariantCulture, $"  - {{name: {analyst.Name}, fingerprint: {analyst.Fingerprint}, roles: [analyst]}}\n");
        }

        if (limits.Length > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"limits: {{{limits}}}\n");
        }

        _place.Write("coordinator.yaml", text.ToString());
        (_process, System.Text.Json.JsonElement ready) = await NodeProcess.StartAsync("Coordinator", _place.At("coordinator.yaml"), cancellationToken);
        Address = ready.GetProperty("address").GetString() ?? throw new MeasureException("the coordinator's ready line has no address");
    }
}
