using System.Diagnostics;
using VertFed.Cli.Hosts;
using VertFed.Cli.Jobs;
using VertFed.Cli.Reports;
using VertFed.Horizontal;
using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>
/// The horizontal demo: rows dealt to five nodes, six processes, a signed job submitted over gRPC, and the model held to the fit that all rows
/// in one place give. Whatever happens after the out folder was made, report.json is written and no process stays.
/// </summary>
internal sealed class HorizontalDemoRun(HorizontalDemoOptions options, Terminal terminal, bool json)
{
    private readonly DemoFolder _folder = new(options.Out);
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly DemoProgress _progress = new();
    private readonly HashSet<string> _partiesDone = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _allPartiesDone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private HorizontalReport _report = new();
    private int _trainRows;
    private HoldoutComparison? _test;

    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(CancellationToken interrupted)
    {
        _folder.Create();
        ErrorCode? failure;
        ReportError? error;
        await using (ProgressView.Start(_progress, terminal))
        {
            (failure, error) = await DemoFailure.CatchAsync(() => ComposeAsync(interrupted), interrupted);
        }

        _report = _report with
        {
            Status = failure is { } code ? JobOutcomes.Word(code) : ReportStatus.Done,
            Error = error,
            Version = SoftwareVersion.Current,
            SecondsTotal = Math.Round(_clock.Elapsed.TotalSeconds, 3),
            Demo = new DemoPart(options.Partition, options.Seed, _trainRows, _test),
            Files = Files(),
        };
        bool written = DemoFailure.Keep(() => ReportFile.WriteText(_folder.Report, _report.Serialise()), failure, terminal);
        Print(written);
        return failure is { } exit ? (int)exit : 0;
    }

    private async Task<ReportError?> ComposeAsync(CancellationToken interrupted)
    {
        HorizontalTable table = HorizontalTable.Create(options, _folder, interrupted);
        _trainRows = table.Train.Count;
        _progress.Note(FormattableString.Invariant(
            $"{table.Train.Count:N0} rows dealt to five nodes ({options.Partition}: {string.Join(", ", table.Dealt.Select(rows => rows.Length))}); {table.Test.Count:N0} kept from all for the test"));
        HorizontalConfiguration configuration = new(_folder, options);
        foreach ((int node, string name) in HorizontalDemoOptions.Nodes.Index())
        {
            table.Write(node, configuration.DataOf(name), interrupted);
        }

        configuration.WriteCoordinator(port: 0);
        configuration.WriteJob();
        using Credential analyst = Credential.Load(_folder.Identity(DemoConfiguration.Analyst));
        // Before six processes start: the words of --strategy are read here.
        SignedJobSpec signed = JobFiles.LoadAndSign(_folder.JobSpec, analyst.Identity, clientToken: null, out string job);
        await using DemoNodes nodes = new(_folder, OnEvent);
        Uri address = await nodes.StartCoordinatorAsync(interrupted);
        configuration.WriteCoordinator(address.Port);
        configuration.WriteParties(address.GetLeftPart(UriPartial.Authority));
        await nodes.StartPartiesAsync(HorizontalDemoOptions.Nodes, interrupted);
        _progress.Note($"The coordinator and five nodes run as six processes; the coordinator listens on {address.Authority}");

        using CoordinatorAccess access = new(
            address, [configuration.CoordinatorFingerprint], Credential.Load(_folder.Identity(DemoConfiguration.Analyst)));
        using JobClient client = new(access);
        _report = _report with { Job = job };
        using CancellationTokenSource following = new();
        Task<VertFedException> givenUp = nodes.SuperviseAsync(_progress.Note, following.Token);
        DemoFollower follower = new(client, access.Identity, givenUp, _allPartiesDone.Task, _progress.Note);
        try
        {
            await follower.WhileSupervisedAsync(() => client.SubmitAsync(signed, interrupted), interrupted);
            ReportError? error = await follower.FollowAsync(job, _progress.OnRound, interrupted);
            if (error is not null)
            {
                return error;
            }

            ReportResponse response = await follower.WhileSupervisedAsync(() => HorizontalOutcome.FetchAsync(client, job, interrupted), interrupted);
            await follower.WhileSupervisedAsync(() => DemoTranscript.ExportAsync(client, access, job, _folder.Transcript, interrupted), interrupted);
            return Conclude(HorizontalParts.Open(response, access.Identity, SignedJob.Verify(signed).Specification), table);
        }
        finally
        {
            // Nothing is started again once the job is over.
            await following.CancelAsync();
            await givenUp.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private ReportError? Conclude(HorizontalReport opened, HorizontalTable table)
    {
        _report = opened;
        if (opened.Missing.Count > 0)
        {
            throw Error.Job(ErrorCode.PeerUnavailable, "The party's part of the report did not come.", opened.Missing[0]);
        }

        try
        {
            _test = HorizontalOutcome.Compare(_folder, _report.Job, options, table);
        }
        catch (Exception e) when (e is HorizontalException or ModelException)
        {
            throw new VertFedException(ErrorCode.BadInput, $"The fit on all rows in one place failed: {e.Message}", e);
        }

        return HorizontalOutcome.IsNear(_test)
            ? null
            : new ReportError(
                nameof(ErrorCode.Internal), "demo", "",
                FormattableString.Invariant($"The joint model's AUC is {_test.Auc:0.0000}, more than {_test.Tolerance:0.000} below the {_test.AucCentralised:0.0000} of the fit in one place. More rounds bring it nearer."));
    }

    private void OnEvent(string party, NodeEvent nodeEvent)
    {
        if (nodeEvent.Name != "job_end")
        {
            return;
        }

        lock (_partiesDone)
        {
            if (_partiesDone.Add(party) && _partiesDone.Count == HorizontalDemoOptions.Nodes.Count)
            {
                _allPartiesDone.TrySetResult();
            }
        }
    }

    private Dictionary<string, string> Files()
    {
        Dictionary<string, string> files = new(StringComparer.Ordinal) { ["folder"] = _folder.Root };
        IEnumerable<(string Name, string Path)> known =
        [
            ("data", _folder.SampleData),
            ("job_spec", _folder.JobSpec),
            ("transcript", _folder.Transcript),
            .. HorizontalDemoOptions.Nodes.Append(DemoConfiguration.Coordinator).SelectMany(name => ((string, string)[])
            [
                ($"{name}_config", _folder.Config(name)),
                ($"{name}_folder", _folder.NodeData(name)),
                ($"{name}_log", _folder.Log(name)),
            ]),
            ("model", Path.Combine(_folder.NodeData(HorizontalDemoOptions.Nodes[0]), "jobs", _report.Job, "model.json")),
        ];
        foreach ((string name, string path) in known.Where(file => Path.Exists(file.Path)))
        {
            files[name] = path;
        }

        files["report"] = _folder.Report;
        return files;
    }

    private void Print(bool written)
    {
        if (json)
        {
            terminal.Output.Write(_report.Serialise());
            return;
        }

        if (_test is not null)
        {
            HorizontalText.Write(terminal.OutputConsole(), _report);
        }

        if (_report.Error is { } error)
        {
            string step = error.Step.Length > 0 ? $" at step {error.Step}" : "";
            terminal.Info(Error.OneLine($"vertfed: {error.Party}{step}: {error.Message}"));
            if (written)
            {
                terminal.Info($"What is known of the run is in {_folder.Report}");
            }
        }
    }
}
