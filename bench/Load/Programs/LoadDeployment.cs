using System.Globalization;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Load.Programs;

/// <summary>What a whole job took.</summary>
/// <param name="Job">Its id.</param>
/// <param name="Seconds">From the submission to its end, by the coordinator's clock.</param>
/// <param name="Processor">Seconds of processor time of the coordinator and both parties.</param>
/// <param name="Status">As the coordinator has it.</param>
/// <param name="Report">The label party's own report.</param>
internal sealed record JobCost(string Job, double Seconds, double Processor, JobStatus Status, JsonElement Report);

/// <summary>
/// A coordinator, a bank and a retailer, each in a process of its own, over made data whose ids overlap in four fifths: a set to train on, and others to score.
/// </summary>
internal sealed class LoadDeployment : IAsyncDisposable
{
    private readonly Place _place = new();
    private readonly Person _coordinator = new("coordinator");
    private readonly Person _bank = new("bank");
    private readonly Person _retailer = new("retailer");
    private readonly Person _analyst = new("analyst");
    private readonly List<NodeProcess> _processes = [];
    private Grpc.Net.Client.GrpcChannel? _channel;
    private JobService.JobServiceClient? _jobs;

    private LoadDeployment()
    {
    }

    /// <param name="trainRows">Rows of each party in the default set.</param>
    /// <param name="columns">Columns of each party.</param>
    /// <param name="scoreRows">Rows of each party in the sets rows1000, rows10000 and so on.</param>
    public static async Task<LoadDeployment> StartAsync(int trainRows, int columns, IReadOnlyList<int> scoreRows, CancellationToken cancellationToken)
    {
        LoadDeployment deployment = new();
        try
        {
            await deployment.StartProcessesAsync(trainRows, columns, scoreRows, cancellationToken);
            return deployment;
        }
        catch
        {
            await deployment.DisposeAsync();
            throw;
        }
    }

    public static string DatasetOf(int rows) => string.Create(CultureInfo.InvariantCulture, $"rows{rows}");

    /// <summary>Runs a job to its end.</summary>
    /// <param name="change">Makes another of the training job.</param>
    /// <exception cref="MeasureException">It did not end well.</exception>
    public async Task<JobCost> RunAsync(Action<JobSpec>? change, CancellationToken cancellationToken)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture),
            Kind = JobKind.Train,
            LabelParty = Reference(_bank),
            FeatureParty = Reference(_retailer),
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-2, MaxIterations = 30 },
            Holdout = 0.2,
            DeadlineSeconds = 600,
            Payloads = Payloads.Full,
            AcceptDisclosureRisk = true,
        };
        change?.Invoke(spec);
        double before = Processor();
        JobStatus status = await _jobs!.SubmitAsync(
            new SubmitRequest { Job = SignedJob.Create(JobSpecification.FromMessage(spec), _analyst.Identity).Message }, cancellationToken: cancellationToken);
        using (Grpc.Core.AsyncServerStreamingCall<JobStatus> watch = _jobs.Watch(new GetJobRequest { Job = spec.Job }, cancellationToken: cancellationToken))
        {
            while (await watch.ResponseStream.MoveNext(cancellationToken))
            {
                status = watch.ResponseStream.Current;
            }
        }

        double processor = Processor() - before;
        MeasureException.Require(status.State == JobState.Done, $"a job is {status.State}: {status.Error?.Message}\n{string.Join('\n', _processes.Select(process => process.Log))}");
        using JsonDocument report = JsonDocument.Parse(await ReportAsync(spec.Job, cancellationToken));
        return new JobCost(spec.Job, (status.EndedUnixMs - status.SubmittedUnixMs) / 1000.0, processor, status, report.RootElement.Clone());
    }

    public async ValueTask DisposeAsync()
    {
        _channel?.Dispose();
        for (int i = _processes.Count - 1; i >= 0; i--)
        {
            await _processes[i].DisposeAsync();
        }

        foreach (Person person in new[] { _coordinator, _bank, _retailer, _analyst })
        {
            person.Dispose();
        }

        _place.Dispose();
    }

    private static PartyRef Reference(Person person) => new() { Name = person.Name, Fingerprint = ByteString.CopyFrom(person.Identity.Public.FingerprintBytes) };

    /// <summary>The bank writes its report when it hears of the end, which may be after the analyst does.</summary>
    private async Task<byte[]> ReportAsync(string job, CancellationToken cancellationToken)
    {
        string path = _place.At(Path.Combine("bank-data", "jobs", job, "report.json"));
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (!File.Exists(path))
        {
            await Task.Delay(20, patience.Token);
        }

        return await File.ReadAllBytesAsync(path, cancellationToken);
    }

    private double Processor() => _processes.Sum(process => process.Usage.Processor.TotalSeconds);

    private async Task StartProcessesAsync(int trainRows, int columns, IReadOnlyList<int> scoreRows, CancellationToken cancellationToken)
    {
        foreach (Person person in new[] { _coordinator, _bank, _retailer })
        {
            person.Save(_place.At(person.Name + ".pem"));
        }

        WriteData("train", trainRows, columns, withLabel: true);
        foreach (int rows in scoreRows)
        {
            WriteData(DatasetOf(rows), rows, columns, withLabel: false);
        }

        _place.Write("coordinator.yaml", $$"""
            listen: 127.0.0.1:0
            identity: coordinator.pem
            data: coordinator-data
            log: {level: error, format: plain}
            parties:
              - {name: bank, fingerprint: {{_bank.Fingerprint}}}
              - {name: retailer, fingerprint: {{_retailer.Fingerprint}}}
            principals:
              - {name: analyst, fingerprint: {{_analyst.Fingerprint}}, roles: [analyst]}
            """);
        JsonElement ready = await StartAsync("Coordinator", "coordinator.yaml", cancellationToken);
        string address = ready.GetProperty("address").GetString() ?? throw new MeasureException("the coordinator's ready line has no address");
        foreach (Person party in new[] { _bank, _retailer })
        {
            _place.Write($"{party.Name}.yaml", Configuration(party, address, scoreRows));
            await StartAsync("PartyNode", $"{party.Name}.yaml", cancellationToken);
        }

        _channel = _analyst.Connect(address, _coordinator.Fingerprint);
        _jobs = new JobService.JobServiceClient(_channel);
    }

    private string Configuration(Person party, string address, IReadOnlyList<int> scoreRows)
    {
        Person peer = party == _bank ? _retailer : _bank;
        StringBuilder datasets = new(scoreRows.Count == 0 ? "" : "datasets:\n");
        foreach (int rows in scoreRows)
        {
            datasets.Append(CultureInfo.InvariantCulture, $"  {DatasetOf(rows)}: {{csv: {DatasetOf(rows)}-{party.Name}.csv}}\n");
        }

        return $$"""
            name: {{party.Name}}
            role: {{(party == _bank ? "label" : "feature")}}
            coordinator: {{address}}
            coordinator_fingerprint: {{_coordinator.Fingerprint}}
            identity: {{party.Name}}.pem
            data_dir: {{party.Name}}-data
            peers: [{name: {{peer.Name}}, fingerprint: {{peer.Fingerprint}}}]
            submitters: [{{_analyst.Fingerprint}}]
            data: {csv: train-{{party.Name}}.csv}
            {{datasets}}
            policy: {allow_disclosure_risk: true}
            """;
    }

    private async Task<JsonElement> StartAsync(string program, string config, CancellationToken cancellationToken)
    {
        (NodeProcess process, JsonElement ready) = await NodeProcess.StartAsync(program, _place.At(config), cancellationToken);
        _processes.Add(process);
        return ready;
    }

    /// <summary>Two files whose ids overlap in four fifths, with a label that needs both sides.</summary>
    private void WriteData(string name, int rows, int columns, bool withLabel)
    {
        Random random = new(7);
        StringBuilder bank = new("id"), retailer = new("id");
        bank.Append(withLabel ? ",y" : "").AppendJoin("", Enumerable.Range(0, columns).Select(j => $",b{j}")).Append('\n');
        retailer.AppendJoin("", Enumerable.Range(0, columns).Select(j => $",r{j}")).Append('\n');
        int shift = rows / 5;
        for (int i = 0; i < rows + shift; i++)
        {
            double[] own = [.. Enumerable.Range(0, columns).Select(_ => random.NextDouble() - 0.5)];
            double[] others = [.. Enumerable.Range(0, columns).Select(_ => random.NextDouble() - 0.5)];
            if (i < rows)
            {
                int y = own[0] + (2 * others[0]) + (0.8 * (random.NextDouble() - 0.5)) > 0 ? 1 : 0;
                bank.Append(CultureInfo.InvariantCulture, $"C{i:D8}").Append(withLabel ? $",{y}" : "");
                Append(bank, own);
            }

            if (i >= shift)
            {
                retailer.Append(CultureInfo.InvariantCulture, $"C{i:D8}");
                Append(retailer, others);
            }
        }

        _place.Write($"{name}-bank.csv", bank.ToString());
        _place.Write($"{name}-retailer.csv", retailer.ToString());

        static void Append(StringBuilder text, double[] values)
        {
            foreach (double value in values)
            {
                text.Append(CultureInfo.InvariantCulture, $",{value:F4}");
            }

            text.Append('\n');
        }
    }
}
