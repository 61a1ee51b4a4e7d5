using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>Each way to tamper is named by its rule, its author and its entry.</summary>
public sealed class TamperingTests : IAsyncLifetime
{
    private TranscriptModel _model = null!;

    public static TheoryData<string> Names => [.. Tamperings.All.Select(tampering => tampering.Name)];

    public async Task InitializeAsync() => _model = await TranscriptFixture.ScriptedAsync();

    public Task DisposeAsync()
    {
        _model.Keys.Dispose();
        return Task.CompletedTask;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Tampering_is_named(string name)
    {
        Tampering tampering = Tamperings.All.Single(candidate => candidate.Name == name);
        (byte[] file, long? index) = tampering.Make(_model.Clone());

        Verdict verdict = await TranscriptFixture.VerifyAsync(file, TranscriptFixture.Pins(_model));

        Assert.False(verdict.IsVerified);
        Assert.Equal((tampering.Rule, tampering.Party, index), (verdict.Failure!.Rule, verdict.Failure.Party, verdict.Failure.EntryIndex));
        Assert.Equal(Completeness.Unknown, verdict.Completeness);
        Assert.Null(verdict.Ledger);
    }

    [Fact]
    public async Task An_untouched_copy_verifies() =>
        Assert.True((await TranscriptFixture.VerifyAsync(_model.Clone().Write(), TranscriptFixture.Pins(_model))).IsVerified);

    [Fact]
    public async Task An_invented_job_is_told_by_the_pins()
    {
        TranscriptModel invented = await TranscriptFixture.ScriptedAsync(seed: 2);
        using TranscriptKeys keys = invented.Keys;
        VerifyOptions pins = TranscriptFixture.Pins(_model);

        Verdict unpinned = await TranscriptFixture.VerifyAsync(invented.Write(), new VerifyOptions());
        Verdict pinned = await TranscriptFixture.VerifyAsync(invented.Write(), pins);
        Verdict coordinatorOnly = await TranscriptFixture.VerifyAsync(invented.Write(), new VerifyOptions { Coordinator = pins.Coordinator });
        Verdict featureOnly = await TranscriptFixture.VerifyAsync(invented.Write(), new VerifyOptions { FeatureParty = pins.FeatureParty });
        Verdict anotherJob = await TranscriptFixture.VerifyAsync(invented.Write(), new VerifyOptions { Job = new string('c', 32) });

        Assert.True(unpinned is { IsVerified: true, IsPinned: false });
        Assert.Equal((Rules.PinnedKey, "submitter"), (pinned.Failure?.Rule, pinned.Failure?.Party));
        Assert.Equal((Rules.PinnedKey, "coordinator"), (coordinatorOnly.Failure?.Rule, coordinatorOnly.Failure?.Party));
        Assert.Equal((Rules.PinnedKey, "retailer"), (featureOnly.Failure?.Rule, featureOnly.Failure?.Party));
        Assert.Equal((Rules.PinnedKey, "coordinator"), (anotherJob.Failure?.Rule, anotherJob.Failure?.Party));
    }

    [Fact]
    public async Task A_round_beyond_the_specs_is_named()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync(change: spec => spec.Train.MaxIterations = 1);
        using TranscriptKeys keys = model.Keys;

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        int first = model.Entries.FindIndex(entry => entry.Header.Round == 2);
        Assert.Equal((Rules.Counts, "retailer", (long?)first), (verdict.Failure?.Rule, verdict.Failure?.Party, verdict.Failure?.EntryIndex));
    }

    [Fact]
    public async Task A_link_in_a_linear_job_is_named()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync(Family.Linear, script: Family.Logistic);
        using TranscriptKeys keys = model.Keys;

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        int first = model.Index(Step.LinkTables, Role.LabelParty);
        Assert.Equal((Rules.Counts, "bank", (long?)first), (verdict.Failure?.Rule, verdict.Failure?.Party, verdict.Failure?.EntryIndex));
    }

    [Fact]
    public async Task A_job_that_discloses_more_than_the_guards_allow_is_named_unless_its_spec_accepts_that()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync(change: spec => spec.AcceptDisclosureRisk = false);
        using TranscriptKeys keys = model.Keys;

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        int first = model.Index(Step.MaskedScalars, Role.LabelParty, 1);
        Assert.Equal((Rules.Disclosure, "bank", (long?)first), (verdict.Failure?.Rule, verdict.Failure?.Party, verdict.Failure?.EntryIndex));
        Assert.Contains("iterations_times_features", verdict.Failure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_two_broken_rules_the_earlier_entrys_is_named_whenever_signatures_are_verified()
    {
        for (int i = 0; i < _model.Entries.Count; i += 7)
        {
            TranscriptModel model = _model.Clone();
            model.Entries[i].Attestation[^1] ^= 1;
            model.Entries[^1].Payload[^1] ^= 1;

            Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(_model));

            Assert.Equal((Rules.Attestation, (long?)i), (verdict.Failure?.Rule, verdict.Failure?.EntryIndex));
        }
    }

    [Fact]
    public void There_are_at_least_thirty_ways() => Assert.InRange(Tamperings.All.Count, 30, int.MaxValue);
}
