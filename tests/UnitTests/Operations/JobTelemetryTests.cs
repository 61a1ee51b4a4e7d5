using System.Collections.Concurrent;
using System.Diagnostics;
using global::VertFed.Operations.Metrics;
using global::VertFed.Operations.Telemetry;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Protocol;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class JobTelemetryTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly NodeTelemetry _node;
    private readonly ActivityListener _listener;
    private readonly ConcurrentQueue<Activity> _spans = new();

    public JobTelemetryTests()
    {
        _node = new NodeTelemetry("test", "bank", TelemetrySettings.None, _time);
        _listener = new ActivityListener
        {
            ShouldListenTo = source => ReferenceEquals(source, _node.Traces),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _node.Dispose();
    }

    [Fact]
    public void A_job_has_one_trace_with_a_span_for_each_phase_and_in_it_one_for_each_step()
    {
        using MetricCollector metrics = _node.Collect();
        using var other = new Activity("somebody else's");
        other.Start();
        using var job = new JobTelemetry(_node.Jobs, "0123", "LabelParty");
        Pass(job, 1, Phase.Session, Step.KeyExchange, 0);
        Pass(job, 2, Phase.Align, Step.BlindedIds, 0);
        Pass(job, 4, Phase.Train, Step.BlindedIds, 1);
        Pass(job, 8, Phase.Train, Step.BlindedIds, 2);
        job.Ended(JobState.Failed, "PeerUnavailable");
        job.Ended(JobState.Done, "");

        Assert.Same(other, Activity.Current);
        Activity root = _spans.Single(span => span.OperationName == "job");
        Assert.Equal("0123", root.GetTagItem("vertfed.job"));
        Assert.Equal("LabelParty", root.GetTagItem("vertfed.role"));
        Assert.Equal((ActivityStatusCode.Error, "PeerUnavailable"), (root.Status, root.StatusDescription));
        Assert.Equal(default, root.ParentSpanId);
        Assert.NotEqual(other.TraceId, root.TraceId);
        Assert.All(_spans, span => Assert.Equal(root.TraceId, span.TraceId));
        Assert.Equal(TimeSpan.FromSeconds(15), root.Duration);
        Activity train = _spans.Single(span => span.OperationName == "Train");
        Assert.Equal((root.SpanId, TimeSpan.FromSeconds(12)), (train.ParentSpanId, train.Duration));
        Activity[] steps = [.. _spans.Where(span => span.ParentSpanId == train.SpanId)];
        Assert.Equal([TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(8)], steps.Select(span => span.Duration));
        Assert.Equal([1u, 2u], steps.Select(span => (uint)span.GetTagItem("vertfed.round")!));

        ExpositionFormat page = ExpositionFormat.Parse(PrometheusText.Write(metrics));
        Assert.Equal(12, page.Value("vertfed_phase_duration_seconds_sum", ("phase", "Train")));
        Assert.Equal(14, page.Value("vertfed_step_duration_seconds_sum", ("step", "BlindedIds"), ("direction", "sent")));
        Assert.Equal(2, page.Value("vertfed_rounds_total", ("phase", "Train")));
        Assert.Equal(1, page.Value("vertfed_jobs_ended_total", ("state", "Failed")));
        Assert.DoesNotContain(page.Samples, sample => sample.Labels.Values.Any(value => value.Contains("0123", StringComparison.Ordinal)));
    }

    [Fact]
    public void Two_jobs_have_two_traces()
    {
        using var first = new JobTelemetry(_node.Jobs, "1", "coordinator");
        using var second = new JobTelemetry(_node.Jobs, "2", "coordinator");

        Assert.Equal(32, first.TraceId.Length);
        Assert.NotEqual(first.TraceId, second.TraceId);
    }

    private void Pass(JobTelemetry job, int seconds, Phase phase, Step step, uint round)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        job.Envelope("sent", phase, step, round, 100);
    }
}
