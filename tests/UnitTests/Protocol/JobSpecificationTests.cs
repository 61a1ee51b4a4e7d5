using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>What analysts write and what the wire carries, validated alike.</summary>
public sealed class JobSpecificationTests
{
    private const string Good =
        """
        version: 1
        job: 0123456789abcdef0123456789abcdef
        kind: train
        title: "Uplift"
        label_party:
          name: bank
          fingerprint: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        feature_party:
          name: retailer
          fingerprint: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        align:
          normalisation: [trim, case_insensitive]
          duplicates: keep_first
        train:
          family: linear
          l2: 1e-2
          max_iterations: 12
        holdout: 0.25
        accept_disclosure_risk: true
        deadline_seconds: 90
        """;

    private const string Minimal =
        """
        label_party: {name: bank, fingerprint: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
        feature_party: {name: retailer, fingerprint: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}
        train: {family: logistic}
        """;

    private const string Score =
        """
        job: 0123456789abcdef0123456789abcdef
        kind: score
        dataset: april
        score:
          model: fedcba9876543210fedcba9876543210
        purpose: credit-risk
        label_party: {name: bank, fingerprint: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
        feature_party: {name: retailer, fingerprint: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}
        """;

    [Fact]
    public void A_request_with_a_name_has_one_id_for_each_key()
    {
        using Identity ann = Identity.Create();
        using Identity bob = Identity.Create();
        string id = JobIds.OfRequest(ann.Public, "nightly");
        Assert.Matches("^[0-9a-f]{32}$", id);
        Assert.Equal(id, JobIds.OfRequest(ann.Public, "nightly"));
        Assert.NotEqual(id, JobIds.OfRequest(bob.Public, "nightly"));
        Assert.NotEqual(id, JobIds.OfRequest(ann.Public, "weekly"));
        byte[] hashed = [.. "vertfed/v1/job-id"u8, .. ann.Public.SubjectPublicKeyInfo, .. "nightly"u8];
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(hashed))[..32], id);
        Assert.Equal(id, JobSpecificationYaml.Parse(Minimal, "job.yaml", id).Job);
        Assert.NotEqual(id, JobSpecificationYaml.Parse(Good, "job.yaml", id).Job);
    }

    [Fact]
    public void Every_field_of_the_file_arrives()
    {
        JobSpecification spec = JobSpecificationYaml.Parse(Good, "job.yaml");

        Assert.Equal("0123456789abcdef0123456789abcdef", spec.Job);
        Assert.Equal(JobKind.Train, spec.Kind);
        Assert.Equal("Uplift", spec.Title);
        Assert.Equal(new PartyReference("bank", new string('a', 64)), spec.LabelParty);
        Assert.Equal(new PartyReference("retailer", new string('b', 64)), spec.Party(Role.FeatureParty));
        Assert.Equal([IdNormalisation.Trim, IdNormalisation.CaseInsensitive], spec.Normalisation);
        Assert.Equal(DuplicateIds.KeepFirst, spec.Duplicates);
        Assert.Equal(Family.Linear, spec.Family);
        Assert.Equal(0.01, spec.L2);
        Assert.Equal(12, spec.MaxIterations);
        Assert.Equal(0.25, spec.Holdout);
        Assert.True(spec.AcceptDisclosureRisk);
        Assert.Equal(TimeSpan.FromSeconds(90), spec.Deadline);
    }

    [Fact]
    public void A_short_file_takes_the_defaults_and_draws_a_job_id()
    {
        JobSpecification one = JobSpecificationYaml.Parse(Minimal, "job.yaml");
        JobSpecification two = JobSpecificationYaml.Parse(Minimal, "job.yaml");

        Assert.True(EnvelopeCodec.IsJobId(one.Job));
        Assert.NotEqual(one.Job, two.Job);
        Assert.Equal(1e-3, one.L2);
        Assert.Equal(30, one.MaxIterations);
        Assert.Equal(0.2, one.Holdout);
        Assert.False(one.AcceptDisclosureRisk);
        Assert.Equal(DuplicateIds.Refuse, one.Duplicates);
        Assert.Equal(TimeSpan.FromMinutes(10), one.Deadline);
        Assert.Empty(one.Normalisation);
    }

    [Fact]
    public void A_score_file_names_the_model_and_trains_nothing()
    {
        JobSpecification spec = JobSpecificationYaml.Parse(Score, "score.yaml");

        Assert.Equal(JobKind.Score, spec.Kind);
        Assert.Equal("fedcba9876543210fedcba9876543210", spec.Model);
        Assert.Equal("credit-risk", spec.Purpose);
        Assert.Equal("april", spec.Dataset);
        Assert.Equal(0, spec.Holdout);
        Assert.Equal(0, spec.MaxIterations);
        Assert.Equal(Family.Unspecified, spec.Family);
        Assert.Null(spec.ToMessage().Train);
        Assert.Equal(spec.ToMessage(), JobSpecification.Parse(spec.ToMessage().ToByteArray()).ToMessage());
    }

    [Fact]
    public void A_spec_that_names_no_data_set_means_the_default_one_and_says_so_in_one_way_only()
    {
        JobSpecification silent = JobSpecificationYaml.Parse(Minimal, "job.yaml");
        JobSpecification spoken = JobSpecificationYaml.Parse(Minimal + "\ndataset: default", "job.yaml");
        JobSpec other = silent.ToMessage();
        other.Dataset = JobSpecification.DefaultDataset;

        Assert.Equal(JobSpecification.DefaultDataset, silent.Dataset);
        Assert.Equal(JobSpecification.DefaultDataset, spoken.Dataset);
        Assert.Empty(silent.Purpose);
        Assert.Empty(spoken.ToMessage().Dataset);
        Assert.Null(silent.Model);
        Assert.Equal(ErrorCode.ProtocolViolation, Assert.Throws<VertFedException>(() => JobSpecification.Parse(other.ToByteArray())).Code);
    }

    [Theory]
    [InlineData("model: fedcba9876543210fedcba9876543210", "model: latest", "score.yaml:5: score.model is not the id of a job")]
    [InlineData("model: fedcba9876543210fedcba9876543210", "model: 0123456789abcdef0123456789abcdef", "score.yaml:5: score.model is the job's own id")]
    [InlineData("model: fedcba9876543210fedcba9876543210", "modell: x", "score.model is missing")]
    [InlineData("purpose: credit-risk", "holdout: 0.1", "score.yaml:6: holdout is not 0, as a score job needs")]
    [InlineData("purpose: credit-risk", "train: {family: logistic}", "score.yaml:6: train does not belong in a score job")]
    public void A_wrong_score_file_is_refused_with_its_line_and_field(string instead, string of, string says)
    {
        Assert.Contains(instead, Score, StringComparison.Ordinal);
        VertFedException refusal = Assert.Throws<VertFedException>(
            () => JobSpecificationYaml.Parse(Score.Replace(instead, of, StringComparison.Ordinal), "score.yaml"));

        Assert.Equal(ErrorCode.Usage, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_score_spec_on_the_wire_is_validated_like_the_file()
    {
        Action<JobSpec>[] breaks =
        [
            s => s.Score = null,
            s => s.Score.Model = "",
            s => s.Score.Model = s.Score.Model.ToUpperInvariant(),
            s => s.Score.Model = s.Job,
            s => s.Train = new TrainSpec { Family = Family.Logistic, L2 = 1, MaxIterations = 1 },
            s => s.Kind = JobKind.Train,
            s => s.Holdout = 0.2,
            s => s.Purpose = "a b",
            s => s.Dataset = new string('x', 65),
        ];
        foreach (Action<JobSpec> alter in breaks)
        {
            JobSpec spec = JobSpecificationYaml.Parse(Score, "score.yaml").ToMessage();
            alter(spec);
            Assert.Equal(ErrorCode.ProtocolViolation, Assert.Throws<VertFedException>(() => JobSpecification.Parse(spec.ToByteArray())).Code);
        }
    }

    [Fact]
    public void The_message_of_a_specification_gives_the_specification_back()
    {
        JobSpec message = JobSpecificationYaml.Parse(Good, "job.yaml").ToMessage();

        Assert.Equal(message, JobSpecification.Parse(message.ToByteArray()).ToMessage());
    }

    [Theory]
    [InlineData("title: \"Uplift\"", "titel: x", "job.yaml:4: unknown field 'titel'")]
    [InlineData("  l2: 1e-2", "  l3: 1e-2", "job.yaml:16: unknown field 'train.l3'")]
    [InlineData("  l2: 1e-2", "  l2: much", "job.yaml:16: train.l2 is not a number")]
    [InlineData("  l2: 1e-2", "  l2: NaN", "job.yaml:16: train.l2 is not a number")]
    [InlineData("  l2: 1e-2", "  l2: 1e-7", "job.yaml:16: train.l2 is not between 1e-6 and 1e3")]
    [InlineData("  l2: 1e-2", "  l2: [1]", "job.yaml:16: train.l2 is not a single value")]
    [InlineData("  max_iterations: 12", "  max_iterations: 201", "job.yaml:17: train.max_iterations is not between 1 and 200")]
    [InlineData("  max_iterations: 12", "  max_iterations: -1", "job.yaml:17: train.max_iterations is not a whole number")]
    [InlineData("  family: linear", "  family: cubic", "job.yaml:15: train.family is none of logistic, linear, poisson")]
    [InlineData("  family: linear", "  # none", "train.family is missing")]
    [InlineData("  family: linear", "  family: 1", "job.yaml:15: train.family is none of")]
    [InlineData("holdout: 0.25", "holdout: 0.95", "job.yaml:18: holdout is not between 0 and 0.9")]
    [InlineData("holdout: 0.25", "holdout: 0,25", "job.yaml:18: holdout is not a number")]
    [InlineData("deadline_seconds: 90", "deadline_seconds: 0", "job.yaml:20: deadline_seconds is not between 1 and 86400")]
    [InlineData("accept_disclosure_risk: true", "accept_disclosure_risk: yes", "job.yaml:19: accept_disclosure_risk is neither true nor false")]
    [InlineData("version: 1", "version: 2", "job.yaml:1: version is 2")]
    [InlineData("job: 0123456789abcdef0123456789abcdef", "job: ../x", "job.yaml:2: job is not 32 lower-case")]
    [InlineData("kind: train", "kind: guess", "job.yaml:3: kind is none of train, score")]
    [InlineData("kind: train", "kind: score", "score is missing")]
    [InlineData("title: \"Uplift\"", "purpose: Credit risk", "job.yaml:4: purpose is not 1 to 64")]
    [InlineData("title: \"Uplift\"", "dataset: ../april", "job.yaml:4: dataset is not 1 to 64")]
    [InlineData("title: \"Uplift\"", "score: {model: fedcba9876543210fedcba9876543210}", "job.yaml:4: score does not belong in a train job")]
    [InlineData("  name: bank", "  name: Bank!", "job.yaml:5: label_party.name is not 1 to 64")]
    [InlineData("  name: retailer", "  name: bank", "job.yaml:8: feature_party.name is the label party's")]
    [InlineData("  fingerprint: bbbb", "  fingerprint: BBBB", "job.yaml:10: feature_party.fingerprint is not 64 lower-case")]
    [InlineData("[trim, case_insensitive]", "[case_insensitive, trim]", "job.yaml:12: align.normalisation is not a list of known steps")]
    [InlineData("[trim, case_insensitive]", "[trim, trim]", "job.yaml:12: align.normalisation is not a list of known steps")]
    [InlineData("[trim, case_insensitive]", "[rot13]", "job.yaml:12: align.normalisation is none of trim")]
    [InlineData("[trim, case_insensitive]", "{a: b}", "job.yaml:12: align.normalisation is not a list of words")]
    [InlineData("duplicates: keep_first", "duplicates: keep_last", "job.yaml:13: align.duplicates is none of refuse, keep_first")]
    [InlineData("version: 1", "version: 1\nversion: 1", "job.yaml:2: 'version' comes twice")]
    [InlineData("version: 1", "version: &a 1", "job.yaml:1: anchors and tags are not accepted")]
    [InlineData("version: 1", "version: !!int 1", "job.yaml:1: anchors and tags are not accepted")]
    [InlineData("version: 1", "- a", "job.yaml:2:")]
    [InlineData("title: \"Uplift\"", "title: \"a\\eb\"", "job.yaml:4: title has a control character")]
    public void A_wrong_file_is_refused_with_its_line_and_field(string instead, string of, string says)
    {
        Assert.Contains(instead, Good, StringComparison.Ordinal);
        string text = instead.StartsWith("  fingerprint: b", StringComparison.Ordinal)
            ? Good.Replace("fingerprint: bbbb", "fingerprint: BBBB", StringComparison.Ordinal)
            : Good.Replace(instead, of, StringComparison.Ordinal);

        VertFedException refusal = Assert.Throws<VertFedException>(() => JobSpecificationYaml.Parse(text, "job.yaml"));

        Assert.Equal(ErrorCode.Usage, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("just words", "not a list of 'key: value'")]
    [InlineData("a: *b", "job.yaml:1")]
    [InlineData("? [a]\n: b", "a key is not a plain word")]
    [InlineData("a: b\n---\nc: d", "a second document begins")]
    [InlineData("train: {}", "label_party is missing")]
    [InlineData("train: {family: logistic}", "label_party is missing")]
    [InlineData("align: 3\ntrain: {family: linear}", "align is not a map of fields")]
    [InlineData("title: x", "label_party is missing")]
    public void A_file_of_another_shape_is_refused(string text, string says)
    {
        VertFedException refusal = Assert.Throws<VertFedException>(() => JobSpecificationYaml.Parse(text, "job.yaml"));

        Assert.Equal(ErrorCode.Usage, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_and_long_files_are_refused()
    {
        foreach (string text in new[]
        {
            "a: " + new string('[', 30_000),
            "a: " + string.Concat(Enumerable.Repeat("{b: ", 10_000)),
            "a: [" + string.Concat(Enumerable.Repeat("1,", 30_000)) + "1]",
            "# " + new string('x', Limits.MaxSpecBytes),
        })
        {
            Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => JobSpecificationYaml.Parse(text, "job.yaml")).Code);
        }
    }

    [Fact]
    public void A_missing_file_and_bytes_that_are_no_text_are_named()
    {
        string folder = Directory.CreateTempSubdirectory("vertfed-spec-").FullName;
        try
        {
            string binary = Path.Combine(folder, "binary.yaml");
            File.WriteAllBytes(binary, [0x61, 0x3a, 0x20, 0xc3, 0x28]);
            string good = Path.Combine(folder, "good.yaml");
            File.WriteAllText(good, Good);

            Assert.Contains("binary.yaml: not UTF-8", Assert.Throws<VertFedException>(() => JobSpecificationYaml.Load(binary)).Message, StringComparison.Ordinal);
            Assert.Contains("absent.yaml", Assert.Throws<VertFedException>(() => JobSpecificationYaml.Load(Path.Combine(folder, "absent.yaml"))).Message, StringComparison.Ordinal);
            Assert.Equal("Uplift", JobSpecificationYaml.Load(good).Title);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_wire_is_validated_like_the_file()
    {
        Action<JobSpec>[] breaks =
        [
            s => s.Version = 2,
            s => s.Job = s.Job.ToUpperInvariant(),
            s => s.Kind = (JobKind)9,
            s => s.LabelParty = null,
            s => s.FeatureParty.Fingerprint = new byte[31].ToByteString(),
            s => s.FeatureParty.Fingerprint = s.LabelParty.Fingerprint,
            s => s.Align = null,
            s => s.Align.Duplicates = DuplicateIds.Unspecified,
            s => s.Align.Normalisation.Add((IdNormalisation)99),
            s => s.Train = null,
            s => s.Train.Family = Family.Unspecified,
            s => s.Train.L2 = double.NaN,
            s => s.Train.MaxIterations = 0,
            s => s.Holdout = double.PositiveInfinity,
            s => s.Holdout = -0.1,
            s => s.DeadlineSeconds = 86401,
            s => s.Title = new string('x', 201),
            s => s.Title = "a\nb",
        ];
        foreach (Action<JobSpec> alter in breaks)
        {
            JobSpec spec = JobSpecificationYaml.Parse(Good, "job.yaml").ToMessage();
            alter(spec);
            Assert.Equal(ErrorCode.ProtocolViolation, Assert.Throws<VertFedException>(() => JobSpecification.Parse(spec.ToByteArray())).Code);
        }
    }

    [Fact]
    public void A_signed_job_verifies_and_keeps_its_bytes()
    {
        using Identity submitter = Identity.Create();
        SignedJob job = SignedJob.Create(JobSpecificationYaml.Parse(Good, "job.yaml"), submitter);
        SignedJob verified = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.Message.ToByteArray()));

        Assert.Equal(submitter.Public, verified.Submitter);
        Assert.Equal(job.SpecHash, verified.SpecHash);
        Assert.Equal(job.Message, verified.Message);
        Assert.Equal("Uplift", verified.Specification.Title);
    }

    [Fact]
    public void A_signed_job_that_was_touched_does_not_verify()
    {
        using Identity submitter = Identity.Create();
        using Identity other = Identity.Create();
        SignedJobSpec genuine = SignedJob.Create(JobSpecificationYaml.Parse(Good, "job.yaml"), submitter).Message;
        JobSpec another = JobSpec.Parser.ParseFrom(genuine.Spec);
        another.Train.L2 = 1;

        Refused(ErrorCode.DoesNotVerify, message => message.Spec = another.ToByteString());
        Refused(ErrorCode.DoesNotVerify, message => message.SubmitterKey = other.Public.SubjectPublicKeyInfo.ToArray().ToByteString());
        Refused(ErrorCode.DoesNotVerify, message => message.Signature = new byte[64].ToByteString());
        Refused(ErrorCode.DoesNotVerify, message => message.Signature = ByteString.Empty);
        Refused(ErrorCode.ProtocolViolation, message => message.SubmitterKey = new byte[91].ToByteString());
        Refused(ErrorCode.ProtocolViolation, message => message.Spec = new byte[Limits.MaxSpecBytes + 1].ToByteString());

        void Refused(ErrorCode code, Action<SignedJobSpec> change)
        {
            SignedJobSpec copy = genuine.Clone();
            change(copy);
            Assert.Equal(code, Assert.Throws<VertFedException>(() => SignedJob.Verify(copy)).Code);
        }
    }
}
