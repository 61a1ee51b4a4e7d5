using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class SessionPartsTests : IDisposable
{
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void The_intersection_hash_is_over_ids_sorted_by_code_point()
    {
        string[] ids = ["b", "10", "9", "\uFF5E", "\U0001F600", "a"];
        byte[] expected = SHA256.HashData(Encoding.UTF8.GetBytes("10\n9\na\nb\n\uFF5E\n\U0001F600"));
        Assert.Equal(expected, AlignedRows.Sha256(ids));
    }

    [Fact]
    public void Aligned_columns_follow_the_joint_order()
    {
        RawTable table = Load("id,y,x\na,0,1\nb,1,2\nc,0,3\n");
        (VerticalInput input, _, _) = AlignedRows.Take(table, [2, 0], [false, true], Bank);
        Assert.Equal([3.0, 1.0], input.Features[0]);
        Assert.Equal([0.0, 0.0], input.Labels!);
    }

    [Fact]
    public void A_feature_that_is_constant_in_the_training_rows_is_named()
    {
        RawTable table = Load("id,y,x,z\na,0,7,1\nb,1,7,2\nc,1,8,3\n");
        (VerticalInput input, _, _) = AlignedRows.Take(table, [0, 1, 2], [false, false, true], Bank);
        VertFedException error = Assert.Throws<VertFedException>(() => AlignedRows.RequireVariation(input, table, Family.Logistic));
        Assert.Equal("bank.csv: column 'x' has zero variance in the aligned training rows; leave it out (data.features)", error.Message);
        Assert.Equal(ErrorCode.BadInput, error.Code);
    }

    [Fact]
    public void A_label_of_one_class_is_named()
    {
        RawTable table = Load("id,y,x\na,1,7\nb,1,8\nc,0,9\n");
        (VerticalInput input, _, _) = AlignedRows.Take(table, [0, 1, 2], [false, false, true], Bank);
        VertFedException error = Assert.Throws<VertFedException>(() => AlignedRows.RequireVariation(input, table, Family.Logistic));
        Assert.Equal("bank.csv: label column 'y' holds one class only in the aligned training rows", error.Message);
    }

    [Fact]
    public void What_the_encoding_left_out_stands_in_the_own_report_and_not_in_a_copy_without_coefficients()
    {
        RawColumn[] raw = [new CategoricalColumn("region", [0, 1, 0, 2], ["north", "south", "PLANTED"]), new NumericColumn("x", [1, 2, 3, 4])];
        DatasetOptions options = Bank with
        {
            Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal)
            {
                ["region"] = new() { Kind = ColumnKind.Categorical, Levels = ["north", "south", "PLANTED"] },
            },
        };
        ColumnEncoder encoder = ColumnEncoder.Fit(raw, [false, false, false, true], options, "bank.csv");
        ReportPart part = Finished(Role.LabelParty) with { Encoder = encoder, Unseen = encoder.Encode(raw, "bank.csv").Unseen };

        using JsonDocument own = JsonDocument.Parse(ReportWriter.Serialise(part, withCoefficients: true));
        JsonElement encoding = own.RootElement.GetProperty("encoding");
        Assert.Equal(["region=PLANTED", "region=(other)"], encoding.GetProperty("dropped").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal(1, encoding.GetProperty("unseen_rows").GetProperty("region").GetInt32());
        Assert.DoesNotContain("PLANTED", Encoding.UTF8.GetString(ReportWriter.Serialise(part, withCoefficients: false)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_input_root_changes_with_the_file_and_with_how_it_is_read()
    {
        DatasetOptions options = Bank;
        string[] roots =
        [
            .. new (string Text, DatasetOptions Options)[]
            {
                ("id,y,x,z\na,1,7,8\n", options),
                ("id,y,x,z\na,1,7,9\n", options),
                ("id,y,x,z\na,1,7,8\n", options with { Features = ["z", "x"] }),
                ("id,y,x,z\na,1,7,8\n", options with { Id = ["id", "x"] }),
            }.Select(each => Convert.ToHexString(InputRoot.Of(Load(each.Text, each.Options), each.Options))),
        ];
        Assert.Equal(roots.Length, roots.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void The_input_root_is_the_same_whether_the_format_was_declared_or_found()
    {
        CsvSource found = new() { Path = "bank.csv" };
        const string Text = "id;y;x;z\na;1;7,5;8\n";
        Assert.Equal(Root(found), Root(found with { Delimiter = ';', DecimalComma = true }));
        string whole = Text.Replace("7,5", "7", StringComparison.Ordinal);
        Assert.NotEqual(Root(found with { DecimalComma = true }, whole), Root(found with { DecimalComma = false }, whole));

        string Root(CsvSource source, string text = Text) =>
            Convert.ToHexString(InputRoot.Of(Load(text, Bank with { Source = source }), Bank with { Source = source }));
    }

    [Fact]
    public void An_earlier_intersection_that_differs_in_a_few_rows_is_found_again()
    {
        IntersectionHistory history = new(_place.At("intersections"), TimeSpan.FromDays(30), TimeProvider.System);
        string[] ids = [.. Enumerable.Range(0, 1000).Select(i => $"id{i}")];
        Assert.Null(history.SmallestDifference("retailer", "1", history.Hash(ids)));
        history.Add("retailer", "1", history.Hash(ids));

        IntersectionHistory reopened = new(_place.At("intersections"), TimeSpan.FromDays(30), TimeProvider.System);
        Assert.Null(reopened.SmallestDifference("retailer", "2", reopened.Hash(ids)));
        Assert.Null(reopened.SmallestDifference("retailer", "1", reopened.Hash(ids[1..])));
        Assert.Equal(3, reopened.SmallestDifference("retailer", "2", reopened.Hash(ids[3..])));
        Assert.Null(reopened.SmallestDifference("insurer", "2", reopened.Hash(ids[3..])));
        string stored = Encoding.Latin1.GetString(File.ReadAllBytes(_place.At("intersections/retailer/1.rows")));
        Assert.DoesNotContain("id17", stored, StringComparison.Ordinal);
    }

    [Fact]
    public void Jobs_that_are_the_first_at_the_same_time_hash_under_one_key()
    {
        for (int i = 0; i < 20; i++)
        {
            IntersectionHistory history = new(_place.At($"first{i}"), TimeSpan.FromDays(30), TimeProvider.System);
            ulong[][] hashes = new ulong[8][];
            Parallel.For(0, hashes.Length, new ParallelOptions { MaxDegreeOfParallelism = hashes.Length }, job => hashes[job] = history.Hash(["a"]));
            Assert.All(hashes, hash => Assert.Equal(history.Hash(["a"]), hash));
        }
    }

    [Fact]
    public void A_history_that_cannot_be_read_is_an_error_of_storage()
    {
        Directory.CreateDirectory(_place.At("intersections/key"));
        Directory.CreateDirectory(_place.At("intersections/retailer"));
        IntersectionHistory history = new(_place.At("intersections"), TimeSpan.FromDays(30), TimeProvider.System);
        Assert.Equal(ErrorCode.Storage, Assert.Throws<VertFedException>(() => history.Hash(["a"])).Code);
        File.WriteAllText(_place.At("intersections/insurer"), "no folder");
        Assert.Equal(ErrorCode.Storage, Assert.Throws<VertFedException>(() => history.Add("insurer", "1", [1])).Code);
    }

    [Fact]
    public void The_difference_is_that_of_sets() =>
        Prop.ForAll<ulong[], ulong[]>((a, b) =>
        {
            ulong[] left = [.. a.Distinct().Order()];
            ulong[] right = [.. b.Distinct().Order()];
            return IntersectionHistory.Difference(left, right) == left.Except(right).Count() + right.Except(left).Count();
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Policy_guards_refuse_and_say_which_rule()
    {
        VerticalInput input = new(["x"], [[1, 2, 3]], [0, 1, 0], [false, false, true]);
        IReadOnlyList<Guard> guards = PolicyGuards.Evaluate(Config(""), Spec(accept: true), input, smallestDifference: 2);
        Assert.Equal(new Guard("bank: minimum-intersection", 100, 3, "refuse"), guards[0]);
        Assert.Equal(new Guard("bank: intersection-difference", 10, 2, "accepted"), guards[1]);
        VertFedException error = Assert.Throws<VertFedException>(() => PolicyGuards.Require(guards, "bank"));
        Assert.Equal("policy rule 'bank: minimum-intersection': 3 where at least 100 is asked for", error.Message);
        Assert.Equal(ErrorCode.Refused, error.Code);
    }

    [Fact]
    public void A_tighter_policy_adds_its_own_rules()
    {
        VerticalInput input = new(["x"], [[1, 2, 3]], [0, 1, 0], [false, false, false]);
        PartyConfig config = Config("\n  minimum_rows_per_feature: 300\n  minimum_events_per_feature: 20\n  minimum_intersection: 2");
        Assert.Equal(
            [
                new Guard("bank: minimum-intersection", 2, 3, "pass"),
                new Guard("bank: policy-rows-per-feature", 300, 3, "refuse"),
                new Guard("bank: policy-events-per-feature", 20, 1, "refuse"),
            ],
            PolicyGuards.Evaluate(config, Spec(accept: false), input, smallestDifference: null));
    }

    [Fact]
    public void An_unexpected_exception_gives_its_type_and_not_its_message()
    {
        JobFault fault = JobFault.From(new FormatException("customer 4711 is not a number"), "bank");
        Assert.Equal(JobState.Failed, fault.State);
        Assert.Equal("internal fault (FormatException)", fault.Error.Message);
        StringWriter log = new();
        new NodeLog(log, TimeProvider.System).Unexpected("1", new FormatException("customer 4711 is not a number"));
        Assert.DoesNotContain("4711", log.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ErrorCode.Refused, JobState.Refused)]
    [InlineData(ErrorCode.Cancelled, JobState.Cancelled)]
    [InlineData(ErrorCode.BadInput, JobState.Failed)]
    [InlineData(ErrorCode.PeerUnavailable, JobState.Failed)]
    public void An_error_keeps_its_code_party_and_step(ErrorCode code, JobState state)
    {
        JobFault fault = JobFault.From(new VertFedException(code, "a\nb") { Party = "retailer", Step = "Hello" }, "bank");
        Assert.Equal(state, fault.State);
        Assert.Equal(new JobError { Code = code.ToString(), Party = "retailer", Step = "Hello", Message = "a b" }, fault.Error);
    }

    [Fact]
    public void Events_and_log_lines_stay_on_one_line()
    {
        StringWriter output = new();
        StringWriter errors = new();
        JobError error = new() { Code = "BadInput", Message = "first\nsecond\u001b[31m" };
        new ProgressWriter(output).JobEnded("1", "failed", error);
        new NodeLog(errors, TimeProvider.System).Ended("1", "failed", error);
        using JsonDocument json = JsonDocument.Parse(Assert.Single(output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal("job_end", json.RootElement.GetProperty("event").GetString());
        string line = Assert.Single(errors.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain('\u001b', line);
    }

    [Fact]
    public void A_failed_job_has_a_whole_report()
    {
        ReportPart part = new()
        {
            Specification = Spec(accept: false),
            Party = "bank",
            Role = Role.LabelParty,
            State = JobState.Failed,
            Error = new JobError { Code = "BadInput", Party = "bank", Step = "", Message = "bank.csv, line 2: ..." },
        };
        using JsonDocument json = JsonDocument.Parse(ReportWriter.Serialise(part, withCoefficients: true));
        Assert.Equal("failed", json.RootElement.GetProperty("status").GetString());
        Assert.Equal("BadInput", json.RootElement.GetProperty("error").GetProperty("code").GetString());
        foreach (string section in new[] { "align", "train", "test", "coefficients" })
        {
            Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty(section).ValueKind);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Coefficients_stand_in_the_report_only_where_they_may(bool may)
    {
        ReportPart part = Finished(Role.LabelParty);
        using JsonDocument json = JsonDocument.Parse(ReportWriter.Serialise(part, may));
        JsonElement coefficients = json.RootElement.GetProperty("coefficients");
        Assert.Equal(may, coefficients.ValueKind == JsonValueKind.Object);
        if (may)
        {
            Assert.Equal(0.5, coefficients.GetProperty("bank").GetProperty("(intercept)").GetDouble());
            Assert.Equal(JsonValueKind.Null, coefficients.GetProperty("retailer").ValueKind);
        }
        else
        {
            Assert.DoesNotContain("age", json.RootElement.GetRawText(), StringComparison.Ordinal);
        }

        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("test").GetProperty("ks").ValueKind);
        Assert.Equal(100, json.RootElement.GetProperty("align").GetProperty("bank_rows").GetInt64());
        Assert.Equal(2, json.RootElement.GetProperty("guards").GetArrayLength());
    }

    [Fact]
    public void A_feature_partys_rows_stand_under_the_other_name()
    {
        using JsonDocument json = JsonDocument.Parse(ReportWriter.Serialise(Finished(Role.FeatureParty), withCoefficients: true));
        Assert.Equal(100, json.RootElement.GetProperty("align").GetProperty("retailer_rows").GetInt64());
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("coefficients").GetProperty("bank").ValueKind);
    }

    [Fact]
    public void The_model_has_what_scoring_needs()
    {
        using JsonDocument json = JsonDocument.Parse(ReportWriter.SerialiseModel(Finished(Role.LabelParty)));
        JsonElement[] coefficients = [.. json.RootElement.GetProperty("coefficients").EnumerateArray()];
        Assert.False(coefficients[0].TryGetProperty("mean", out _));
        Assert.Equal("age", coefficients[1].GetProperty("name").GetString());
        Assert.Equal(40, coefficients[1].GetProperty("mean").GetDouble());
    }

    internal static JobSpecification Spec(bool accept)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = new string('1', 32),
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = Google.Protobuf.ByteString.CopyFrom(new byte[32]) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = Google.Protobuf.ByteString.CopyFrom([.. new byte[31], 1]) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 20 },
            Holdout = 0.2,
            DeadlineSeconds = 60,
            Payloads = Payloads.Full,
            AcceptDisclosureRisk = accept,
        };
        return JobSpecification.FromMessage(spec);
    }

    private static ReportPart Finished(Role role) => new()
    {
        Specification = Spec(accept: false),
        Party = role == Role.LabelParty ? "bank" : "retailer",
        Role = role,
        State = JobState.Done,
        Align = new AlignPart(100, 90, 80, null, 1.5, 1000),
        Guards = [new Guard("own", 1, 2, "pass")],
        Result = new VerticalResult
        {
            Coefficients = [KeyValuePair.Create("(intercept)", 0.5), KeyValuePair.Create("age", -1.25)],
            Scaling = [(40, 10)],
            TrainRows = 64,
            TestRows = 16,
            Iterations = 5,
            Converged = true,
            GradientNorm = 1e-5,
            TrainLoss = 0.3,
            ClippedRows = 0,
            Test = new TestMetrics(0.7, double.NaN, null, 0.6, 0.2, null),
            Guards = [new Guard("iterations", 30, 5, "pass")],
            Disclosures = [new Disclosure("bank", "own gradient block", 10, "MaskedScalars")],
        },
    };

    private static PartyConfig Config(string policy) => PartyConfig.Parse(
        "party.yaml", PartyConfigTests.Text.Replace("\n  max_iterations: 20", policy.Length == 0 ? "\n  max_iterations: 20" : policy, StringComparison.Ordinal), "/etc/vertfed");

    private static readonly DatasetOptions Bank = new() { Source = new CsvSource { Path = "bank.csv" }, Label = "y" };

    private static RawTable Load(string text, DatasetOptions? options = null)
    {
        using MemoryStream stream = new(Encoding.UTF8.GetBytes(text));
        return Tables.Load(stream, options ?? Bank, LabelKind.Binary);
    }
}
