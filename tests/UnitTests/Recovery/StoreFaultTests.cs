using System.Globalization;
using Dapper;
using Microsoft.Data.Sqlite;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sql;
using VertFed.Storage.Sqlite;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>
/// Durable writes that fail, and that fail although they were kept, and disks that are full or tear the last write. A party whose store
/// fails ends with a typed error and says nothing of the job's end; started again it goes on. A coordinator lives on.
/// </summary>
public sealed class StoreFaultTests(UndisturbedLinear undisturbed) : IClassFixture<UndisturbedLinear>
{
    public static TheoryData<string, string> Failures => new()
    {
        { nameof(Actor.Label), nameof(CommitStage.Before) },
        { nameof(Actor.Label), nameof(CommitStage.After) },
        { nameof(Actor.Feature), nameof(CommitStage.Before) },
        { nameof(Actor.Feature), nameof(CommitStage.After) },
        { nameof(Actor.Coordinator), nameof(CommitStage.Before) },
        { nameof(Actor.Coordinator), nameof(CommitStage.After) },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task A_write_that_fails_midway_ends_or_delays_and_changes_nothing(string actor, string stage)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        await FailAsync(victim, undisturbed.Writes[victim] / 2, Enum.Parse<CommitStage>(stage));
    }

    [Theory]
    [Trait("Speed", "slow")]
    [MemberData(nameof(Failures))]
    public async Task Any_write_that_fails_ends_or_delays_and_changes_nothing(string actor, string stage)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        int step = victim == Actor.Coordinator ? 3 : 2;
        int first = Enum.Parse<CommitStage>(stage) == CommitStage.Before ? 2 : 3;
        for (int write = first; write <= undisturbed.Reachable(victim); write += step)
        {
            await FailAsync(victim, write, Enum.Parse<CommitStage>(stage));
        }
    }

    [Theory]
    [InlineData(nameof(Actor.Label))]
    [InlineData(nameof(Actor.Feature))]
    public async Task A_party_whose_disk_fills_up_ends_with_a_typed_error_and_resumes_when_there_is_room(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job, victim, new SqliteOptions { MaxPages = undisturbed.Pages[victim] / 2 });
        Same(await run.CompleteAsync(), "full disk");
        VertFedException fault = Assert.IsType<VertFedException>(Assert.Single(run.Faults));
        Assert.Equal(ErrorCode.Storage, fault.Code);
        Assert.Contains("full", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_coordinator_whose_disk_fills_up_holds_the_job_and_goes_on_when_there_is_room()
    {
        await using RecoveryRun run = await RecoveryRun.StartAsync(
            undisturbed.Job, Actor.Coordinator, new SqliteOptions { MaxPages = undisturbed.Pages[Actor.Coordinator] / 2 });
        Task<JobTrace> job = run.CompleteAsync();
        await run.LoggedAsync("the coordinator's store cannot do this now");
        Assert.False(job.IsCompleted);
        await run.RestartAsync(Actor.Coordinator);
        Same(await job, "full disk");
        Assert.Empty(run.Faults);
    }

    [Theory]
    [InlineData(nameof(Actor.Label))]
    [InlineData(nameof(Actor.Feature))]
    [InlineData(nameof(Actor.Coordinator))]
    public async Task A_last_write_that_is_torn_is_as_if_it_had_not_been(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        int write = undisturbed.Writes[victim] / 2;
        foreach (double part in new[] { 0.1, 0.5, 0.999 })
        {
            await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job, new Kill(victim, new KillPoint(write, CommitStage.After, MustGrow: true)));
            run.BetweenLives = (_, folder) => Tear(run, victim, folder, part);
            Same(await run.CompleteAsync(), string.Create(CultureInfo.InvariantCulture, $"torn at {part}"));
            Assert.Equal(1, run.Revived);
        }
    }

    /// <summary>More than an honest disk loses: what was acknowledged and sent is gone from the record, the seed perhaps too.</summary>
    [Theory]
    [Trait("Speed", "slow")]
    [InlineData(0.1)]
    [InlineData(0.35)]
    [InlineData(0.6)]
    [InlineData(0.9)]
    public async Task A_log_that_lost_acknowledged_writes_opens_and_its_job_goes_on_or_ends_and_reuses_nothing(double kept)
    {
        await using RecoveryCase job = new(Family.Linear, maxIterations: 1, deadlineSeconds: 5);
        NonceBook book = new();
        await using RecoveryRun run = await RecoveryRun.StartAsync(job, new Kill(Actor.Label, new KillPoint(undisturbed.Writes[Actor.Label] * 2 / 3, CommitStage.After)));
        run.BetweenLives = (_, folder) =>
        {
            NoteAll(book, folder);
            string log = Path.Combine(folder, "party.db-wal");
            using FileStream file = new(log, FileMode.Open, FileAccess.Write);
            file.SetLength((long)(file.Length * kept));
        };
        JobRecord record = await run.RunToEndAsync();

        Assert.True(
            record.State == JobState.Done || (record.State == JobState.Failed && record.Error!.Code is "PeerUnavailable" or "Diverges" or "ProtocolViolation"),
            $"{record.State} {record.Error}");
        NoteAll(book, run.FolderOf(Actor.Label));
        Assert.True(book.Count > 5);
    }

    /// <summary>Takes down all that a party's store has of sealed payloads, out and in.</summary>
    private static void NoteAll(NonceBook book, string folder)
    {
        using SqliteConnection connection = new($"Data Source={Path.Combine(folder, "party.db")};Mode=ReadOnly;Pooling=False");
        foreach ((byte[] core, byte[] attestation, byte[] payload) in connection.Query<(byte[], byte[], byte[])>("SELECT core, attestation, payload FROM messages"))
        {
            book.Note(new Envelope
            {
                Core = Google.Protobuf.ByteString.CopyFrom(core),
                Attestation = Google.Protobuf.ByteString.CopyFrom(attestation),
                Payload = Google.Protobuf.ByteString.CopyFrom(payload),
            });
        }
    }

    /// <summary>Cuts the write-ahead log within its last transaction.</summary>
    private static void Tear(RecoveryRun run, Actor victim, string folder, double part)
    {
        string log = Directory.GetFiles(folder, "*.db-wal").Single();
        long before = run.LogLengthBeforeLastWrite(victim);
        long after = new FileInfo(log).Length;
        Assert.InRange(before, 1, after - 1);
        using FileStream file = new(log, FileMode.Open, FileAccess.Write);
        file.SetLength(before + Math.Max(1, (long)((after - before) * part)));
    }

    private async Task FailAsync(Actor victim, int write, CommitStage stage)
    {
        int writes = 0;
        int failed = 0;
        SqliteOptions failing = new()
        {
            CommitHook = at =>
            {
                // Before and after the same commit: both come on the store's one writer thread.
                writes += at == CommitStage.Before ? 1 : 0;
                if (at == stage && writes == write && failed == 0)
                {
                    failed = 1;
                    throw new IOException("The disk failed.");
                }
            },
        };
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job, victim, failing);
        string name = $"{victim} {stage} write {write.ToString(CultureInfo.InvariantCulture)}";
        Same(await run.CompleteAsync(), name + "\n" + run.Logs());
        Assert.True(failed == 1 || (undisturbed.MayMiss(victim, write) && writes <= write), name + " was not reached");
        if (victim == Actor.Coordinator)
        {
            Assert.Empty(run.Faults);
        }
        else if (run.Faults.Count > 0)
        {
            // None where the write was a co-signature, or shared its transaction with one: then it is tried again, and no job is held up.
            Assert.Equal(ErrorCode.Storage, Assert.IsType<VertFedException>(Assert.Single(run.Faults)).Code);
        }
    }

    private void Same(JobTrace trace, string what) => undisturbed.RequireSame(trace, what);
}
