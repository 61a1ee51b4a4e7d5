using System.Diagnostics;
using System.Globalization;
using VertFed.Cli.Hosts;
using VertFed.Cli.Jobs;
using VertFed.Cli.Reports;
using VertFed.Cli.Sample;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Demo;

/// <summary>
/// The demo, which is nothing but the other commands composed: sample, identities and configuration files, three processes,
/// a signed job submitted over gRPC, and the parties' report parts put together. Whatever happens after the out folder was
/// made, report.json is written and no process stays.
/// </summary>
internal sealed class DemoRun(DemoOptions options, Terminal terminal, bool json)
{
    private readonly DemoFolder _folder = new(options.Out);
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly DemoProgress _progress = new();
    private readonly SortedDictionary<int, double> _gradientNorms = [];
    private readonly HashSet<string> _partiesDone = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _allPartiesDone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string _job = "";
    private IReadOnlyList<string> _notCoSigned = [];
    private string _scoreJob = "";
    private bool _aligned;

    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(CancellationToken interrupted)
    {
        _folder.Create();
        ReportError? error;
        ErrorCode? failure;
        await using (ProgressView.Start(_progress, terminal))
        {
            (failure, error) = await DemoFailure.CatchAsync(() => ComposeAsync(interrupted), interrupted);
        }

        Report report = Assemble(failure, error);
        bool written = DemoFailure.Keep(() => ReportFile.Write(_folder.Report, report), failure, terminal);
        Print(report, written);
        return failure is { } code ? (int)code : 0;
    }

    private async Task<ReportError?> ComposeAsync(CancellationToken interrupted)
    {
        (string bankCsv, string retailerCsv) = Data(interrupted);
        DemoConfiguration configuration = new(_folder, options);
        configuration.WriteCoordinator(port: 0);
        configuration.WriteJob();

        await using DemoNodes nodes = new(_folder, OnEvent);
        Uri address = await nodes.StartCoordinatorAsync(interrupted);
        configuration.WriteCoordinator(address.Port);
        configuration.WriteParties(address.GetLeftPart(UriPartial.Authority), bankCsv, retailerCsv);
        await nodes.StartPartiesAsync([DemoConfiguration.Bank, DemoConfiguration.Retailer], interrupted);
        _progress.Note($"Coordinator, bank and retailer run as three processes; the coordinator listens on {address.Authority}");

        using CoordinatorAccess access = new(
            address, [configuration.CoordinatorFingerprint], Credential.Load(_folder.Identity(DemoConfiguration.Analyst)));
        Identity analyst = access.Identity;
        using JobClient client = new(access);
        SignedJobSpec signed = JobFiles.LoadAndSign(_folder.JobSpec, analyst, clientToken: null, out _job);
        using CancellationTokenSource following = new();
        Task<VertFedException> givenUp = nodes.SuperviseAsync(_progress.Note, following.Token);
        DemoFollower follower = new(client, analyst, givenUp, _allPartiesDone.Task, _progress.Note);
        try
        {
            await follower.WhileSupervisedAsync(() => client.SubmitAsync(signed, interrupted), interrupted);
            ReportError? error = await follower.FollowAsync(_job, _progress.OnStatus, interrupted);
            if (error is null)
            {
                JobStatus settled = await follower.WhileSupervisedAsync(
                    () => DemoTranscript.ExportAsync(client, access, _job, _folder.Transcript, interrupted), interrupted);
                _notCoSigned = [.. settled.NotCoSigned];
                error = options.Score ? await ScoreAsync(client, analyst, configuration, follower, interrupted) : null;
            }

            return error;
        }
        finally
        {
            // Nothing is started again once the job is over.
            await following.CancelAsync();
            await givenUp.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    /// <summary>The second job: new customers, scored with the model of the first.</summary>
    private async Task<ReportError?> ScoreAsync(
        JobClient client, Identity analyst, DemoConfiguration configuration, DemoFollower follower, CancellationToken interrupted)
    {
        configuration.WriteScoreJob(_job);
        SignedJobSpec signed = JobFiles.LoadAndSign(_folder.ScoreSpec, analyst, clientToken: null, out _scoreJob);
        await follower.WhileSupervisedAsync(() => client.SubmitAsync(signed, interrupted), interrupted);
        if (await follower.FollowAsync(_scoreJob, _progress.OnStatus, interrupted) is { } error)
        {
            return error;
        }

        foreach (string line in new DemoScoring(_folder, options).Check(_job, _scoreJob))
        {
            _progress.Note(line);
        }

        return null;
    }

    private (string BankCsv, string RetailerCsv) Data(CancellationToken interrupted)
    {
        if (options.Score)
        {
            new DemoScoring(_folder, options).Prepare(interrupted);
        }

        if (options.Data is { } given)
        {
            string folder = Path.GetFullPath(given);
            return (Existing(Path.Combine(folder, SampleFiles.BankFile)), Existing(Path.Combine(folder, SampleFiles.RetailerFile)));
        }

        SampleSummary sample = SampleFiles.Write(SampleFiles.Demo(options.Rows, options.Seed), _folder.SampleData, interrupted);
        _progress.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"Sample: {options.Rows:N0} rows each, {sample.Overlap:P0} of them in both, seed {options.Seed}, in {_folder.SampleData}"));
        return ($"data/{SampleFiles.BankFile}", $"data/{SampleFiles.RetailerFile}");
    }

    private static string Existing(string path) => File.Exists(path) ? path : throw Error.DataFileMissing(path);

    private void OnEvent(string party, NodeEvent nodeEvent)
    {
        switch (nodeEvent.Name)
        {
            case "iteration" when string.Equals(party, DemoConfiguration.Bank, StringComparison.Ordinal) && IsNew(nodeEvent):
                _progress.OnIteration(nodeEvent);
                break;
            case "aligned" when string.Equals(party, DemoConfiguration.Bank, StringComparison.Ordinal) && !Interlocked.Exchange(ref _aligned, true):
                _progress.Note(string.Create(
                    CultureInfo.InvariantCulture,
                    $"Aligned: bank {nodeEvent.Number("own_rows"):N0} rows, retailer {nodeEvent.Number("peer_rows"):N0} rows, {nodeEvent.Number("rows"):N0} in both"));
                break;
            case "job_end":
                lock (_partiesDone)
                {
                    if (_partiesDone.Add(party) && _partiesDone.Count == 2)
                    {
                        _allPartiesDone.TrySetResult();
                    }
                }

                break;
        }
    }

    /// <summary>A party that was started again goes through the rounds of its record once more.</summary>
    private bool IsNew(NodeEvent iteration)
    {
        lock (_gradientNorms)
        {
            return _gradientNorms.TryAdd((int)(iteration.Number("round") ?? 0), iteration.Number("gradient_norm") ?? double.NaN);
        }
    }

    private Report Assemble(ErrorCode? failure, ReportError? error)
    {
        Report frame = new()
        {
            Job = _job,
            Status = failure is { } code ? JobOutcomes.Word(code) : ReportStatus.Done,
            Error = error,
            NotCoSigned = _notCoSigned,
            Family = options.Family,
            L2 = options.L2,
            Holdout = options.Holdout,
            Version = SoftwareVersion.Current,
            SecondsTotal = Math.Round(_clock.Elapsed.TotalSeconds, 3),
            Files = Files(),
        };
        if (_job.Length == 0)
        {
            return frame;
        }

        try
        {
            Report? bank = ReportFile.ReadIfPresent(DemoFolder.ReportPart(_folder.BankData, _job));
            Report? retailer = ReportFile.ReadIfPresent(DemoFolder.ReportPart(_folder.RetailerData, _job));

            // A party tells others no more than that its input does not fit. Here its operator reads along.
            Report? own = error?.Party == DemoConfiguration.Bank ? bank : error?.Party == DemoConfiguration.Retailer ? retailer : null;
            bool saysMore = own?.Error is { } words && words.Code == error!.Code && words.Party == error.Party;
            return ReportMerger.Merge(saysMore ? frame with { Error = own!.Error } : frame, bank, retailer);
        }
        catch (VertFedException e) when (failure is not null)
        {
            // The run has failed already; a part that cannot be read must not hide why.
            terminal.Info(Error.OneLine(e.Message));
            return frame;
        }
    }

    private Dictionary<string, string> Files()
    {
        Dictionary<string, string> files = new(StringComparer.Ordinal) { ["folder"] = _folder.Root };
        string dataFolder = options.Data is null ? _folder.SampleData : Path.GetFullPath(options.Data);
        ReadOnlySpan<(string, string)> known =
        [
            ("bank_data", Path.Combine(dataFolder, SampleFiles.BankFile)),
            ("retailer_data", Path.Combine(dataFolder, SampleFiles.RetailerFile)),
            ("transcript", _folder.Transcript),
            ("job_spec", _folder.JobSpec),
            ("score_spec", _folder.ScoreSpec),
            ("scores", new DemoScoring(_folder, options).Scores(_scoreJob)),
            ("coordinator_config", _folder.CoordinatorConfig),
            ("bank_config", _folder.BankConfig),
            ("retailer_config", _folder.RetailerConfig),
            ("coordinator_log", _folder.Log("coordinator")),
            ("bank_log", _folder.Log(DemoConfiguration.Bank)),
            ("retailer_log", _folder.Log(DemoConfiguration.Retailer)),
            ("bank_folder", _folder.BankData),
            ("retailer_folder", _folder.RetailerData),
            ("coordinator_folder", _folder.CoordinatorData),
        ];
        foreach ((string name, string path) in known)
        {
            if (Path.Exists(path))
            {
                files[name] = path;
            }
        }

        files["report"] = _folder.Report;
        return files;
    }

    private void Print(Report report, bool written)
    {
        if (json)
        {
            terminal.Output.Write(ReportFile.Serialise(report));
            return;
        }

        if (report.Error is { } error)
        {
            string step = error.Step.Length > 0 ? $" at step {error.Step}" : "";
            terminal.Info(Error.OneLine($"vertfed: {error.Party}{step}: {error.Message}"));
            if (written)
            {
                terminal.Info($"What is known of the run is in {_folder.Report}");
            }

            return;
        }

        double[] norms;
        lock (_gradientNorms)
        {
            norms = [.. _gradientNorms.Values.Where(double.IsFinite)];
        }

        ReportText.Write(terminal.OutputConsole(), report, norms);
        terminal.Output.WriteLine();
        terminal.Output.WriteLine("The demo's parties share coefficients, and a hash of the common ids, with the analyst: all three are whoever runs it. Between companies both stay off.");
    }
}
