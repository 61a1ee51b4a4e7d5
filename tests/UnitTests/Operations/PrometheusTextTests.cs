using System.Diagnostics.Metrics;
using global::VertFed.Operations.Metrics;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class PrometheusTextTests : IDisposable
{
    private readonly Meter _meter = new("VertFed.Test." + nameof(PrometheusTextTests));
    private readonly MetricCollector _collector;

    public PrometheusTextTests() => _collector = new MetricCollector(meter => ReferenceEquals(meter, _meter), maxSeries: 3);

    public void Dispose()
    {
        _collector.Dispose();
        _meter.Dispose();
    }

    [Fact]
    public void A_counter_adds_up_by_its_labels_and_ends_in_total()
    {
        Counter<long> counter = _meter.CreateCounter<long>("vertfed.envelopes", "{envelope}", "Envelopes.");
        counter.Add(2, Tag("step", "Hello"));
        counter.Add(3, Tag("step", "Hello"));
        counter.Add(1, Tag("step", "JobClose"));
        counter.Add(-5, Tag("step", "JobClose"));

        ExpositionFormat text = Read();

        Assert.Equal("counter", text.Types["vertfed_envelopes_total"]);
        Assert.Equal("Envelopes.", text.Help["vertfed_envelopes_total"]);
        Assert.Equal(5, text.Value("vertfed_envelopes_total", ("step", "Hello")));
        Assert.Equal(1, text.Value("vertfed_envelopes_total", ("step", "JobClose")));
    }

    [Fact]
    public void Up_down_counters_and_gauges_are_gauges_and_units_become_suffixes()
    {
        UpDownCounter<int> open = _meter.CreateUpDownCounter<int>("vertfed.open");
        Gauge<double> skew = _meter.CreateGauge<double>("vertfed.clock.skew", "s");
        open.Add(4);
        open.Add(-3);
        skew.Record(1.5);
        skew.Record(-0.25);

        ExpositionFormat text = Read();

        Assert.Equal("gauge", text.Types["vertfed_open"]);
        Assert.Equal(1, text.Value("vertfed_open"));
        Assert.Equal(-0.25, text.Value("vertfed_clock_skew_seconds"));
    }

    [Fact]
    public void A_histogram_counts_what_is_at_or_below_each_bound()
    {
        Histogram<double> seconds = _meter.CreateHistogram("vertfed.step.duration", "s", "Seconds.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1, 10] });
        foreach (double value in new[] { 0.1, 0.5, 0.7, 10, 11 })
            seconds.Record(value, Tag("step", "Hello"));

        ExpositionFormat text = Read();

        Assert.Equal("histogram", text.Types["vertfed_step_duration_seconds"]);
        Assert.Equal(2, text.Value("vertfed_step_duration_seconds_bucket", ("step", "Hello"), ("le", "0.5")));
        Assert.Equal(3, text.Value("vertfed_step_duration_seconds_bucket", ("step", "Hello"), ("le", "1")));
        Assert.Equal(4, text.Value("vertfed_step_duration_seconds_bucket", ("step", "Hello"), ("le", "10")));
        Assert.Equal(5, text.Value("vertfed_step_duration_seconds_bucket", ("step", "Hello"), ("le", "+Inf")));
        Assert.Equal(5, text.Value("vertfed_step_duration_seconds_count", ("step", "Hello")));
        Assert.Equal(22.3, text.Value("vertfed_step_duration_seconds_sum", ("step", "Hello")), 9);
    }

    [Fact]
    public void Values_and_help_are_escaped_and_names_cleaned()
    {
        Counter<long> counter = _meter.CreateCounter<long>("9 odd-näme", description: "one \\ back\nslash");
        counter.Add(1, Tag("a b", "quote \" back \\ feed \n end"), Tag("le", "x"), Tag("__own", "y"), Tag("none", null));

        ExpositionFormat text = Read();

        Assert.Equal("one \\ back\nslash", text.Help["_9_odd_n_me_total"]);
        Assert.Equal(1, text.Value("_9_odd_n_me_total", ("a_b", "quote \" back \\ feed \n end"), ("exported_le", "x"), ("key__own", "y")));
    }

    [Fact]
    public void A_long_value_of_a_label_is_cut()
    {
        _meter.CreateCounter<long>("c").Add(1, Tag("k", new string('x', 100_000)));

        Assert.Equal(LabelSet.MaxValueLength, Read().Samples.Single(sample => sample.Name == "c_total").Labels["k"].Length);
    }

    [Fact]
    public void A_family_has_its_most_series_and_what_has_no_room_is_counted()
    {
        Counter<long> counter = _meter.CreateCounter<long>("c");
        for (int i = 0; i < 5; i++)
            counter.Add(1, Tag("k", i));
        counter.Add(1, Tag("k", 0));

        ExpositionFormat text = Read();

        Assert.Equal(3, text.Samples.Count(sample => sample.Name == "c_total"));
        Assert.Equal(2, text.Value("c_total", ("k", "0")));
        Assert.Equal(2, text.Value("vertfed_metrics_lost_total", ("metric", "c_total")));
    }

    [Fact]
    public void An_observable_gauge_shows_what_it_reports_now_and_nothing_of_before()
    {
        string[] states = ["QUEUED", "RUNNING"];
        _meter.CreateObservableGauge("vertfed.jobs", () => states.Select(state => new Measurement<long>(7, Tag("state", state))));

        Assert.Equal(2, Read().Samples.Count(sample => sample.Name == "vertfed_jobs"));
        states = ["RUNNING"];

        ExpositionFormat text = Read();
        Assert.Equal("RUNNING", Assert.Single(text.Samples, sample => sample.Name == "vertfed_jobs").Labels["state"]);
        Assert.Equal(7, text.Value("vertfed_jobs", ("state", "RUNNING")));
    }

    [Fact]
    public void An_observable_counter_reports_its_total()
    {
        long total = 3;
        _meter.CreateObservableCounter("vertfed.seen", () => total);
        _ = Read();
        total = 10;

        Assert.Equal(10, Read().Value("vertfed_seen_total"));
    }

    [Fact]
    public void A_name_that_is_another_kinds_is_left_out_and_counted()
    {
        _meter.CreateGauge<int>("c_total").Record(5);
        _meter.CreateCounter<long>("c").Add(1);

        ExpositionFormat text = Read();

        Assert.Equal(5, text.Value("c_total"));
        Assert.Equal(1, text.Value("vertfed_metrics_conflicts_total"));
    }

    [Fact]
    public void Numbers_beyond_the_finite_have_their_names()
    {
        Gauge<double> gauge = _meter.CreateGauge<double>("g");
        gauge.Record(double.PositiveInfinity, Tag("k", "a"));
        gauge.Record(double.NegativeInfinity, Tag("k", "b"));
        gauge.Record(double.NaN, Tag("k", "c"));

        string text = PrometheusText.Write(_collector);

        Assert.Contains("g{k=\"a\"} +Inf\n", text, StringComparison.Ordinal);
        Assert.Contains("g{k=\"b\"} -Inf\n", text, StringComparison.Ordinal);
        Assert.Contains("g{k=\"c\"} NaN\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Recording_from_many_threads_loses_nothing()
    {
        Counter<long> counter = _meter.CreateCounter<long>("c");
        Histogram<double> seconds = _meter.CreateHistogram<double>("h", "s");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                counter.Add(1, Tag("k", worker % 2));
                seconds.Record(i);
                if (i % 100 == 0)
                    _ = PrometheusText.Write(_collector);
            }
        })));

        ExpositionFormat text = Read();
        Assert.Equal(8000, text.Samples.Where(sample => sample.Name == "c_total").Sum(sample => sample.Value));
        Assert.Equal(8000, text.Value("h_seconds_count"));
    }

    [Theory]
    [InlineData("a 1\nb 1\na{x=\"1\"} 1\n")]
    [InlineData("a 1")]
    [InlineData("a{x=1} 1\n")]
    [InlineData("a 1\na 2\n")]
    [InlineData("# TYPE a counter\n# TYPE a counter\n")]
    [InlineData("# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n")]
    public void The_reader_of_these_tests_refuses_what_the_rules_forbid(string text) =>
        Assert.Throws<FormatException>(() => ExpositionFormat.Parse(text));

    private static KeyValuePair<string, object?> Tag(string key, object? value) => new(key, value);

    private ExpositionFormat Read() => ExpositionFormat.Parse(PrometheusText.Write(_collector));
}
