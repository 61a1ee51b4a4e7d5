using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>What auditors may ask for, and how they are refused.</summary>
public sealed class AuditServiceTests
{
    [Fact]
    public async Task Entries_proofs_and_the_file_of_an_ended_job_agree()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        byte[] large = RandomNumberGenerator.GetBytes((2 * Limits.MaxChunkBytes) + 77);
        string job = await EndedJobAsync(fixture, large);

        List<TranscriptEntry> entries = await EntriesAsync(fixture, new EntriesRequest { Job = job });
        Assert.Equal(entries[2..4], await EntriesAsync(fixture, new EntriesRequest { Job = job, First = 2, Limit = 2 }));
        Assert.Empty(await EntriesAsync(fixture, new EntriesRequest { Job = job, First = 8 }));
        EnvelopeHeader[] headers = [.. entries.Select(entry => EnvelopeCodec.Parse(entry.Core, entry.Attestation).Header)];
        Assert.Equal(8, headers.Length);
        Assert.Equal(headers, headers.Order(CanonicalOrder.Instance));

        byte[][] leaves = [.. entries.Select(entry => MerkleTree.HashLeaf(entry.Core.Span))];
        Checkpoint[] heads = [.. (await fixture.Audit.CheckpointsAsync(new TranscriptRequest { Job = job })).Checkpoints
            .Select(checkpoint => Checkpoint.Parse(SignedNote.Parse(checkpoint.Note.Span).Text))];
        Assert.Equal([2L, 4L, 6L, 8L], heads.Select(head => head.Size));
        foreach (Checkpoint head in heads)
        {
            for (long index = 0; index < head.Size; index++)
            {
                ProofResponse inclusion = await fixture.Audit.InclusionProofAsync(
                    new InclusionProofRequest { Job = job, Index = (ulong)index, TreeSize = (ulong)head.Size });
                Assert.True(MerkleProofs.VerifyInclusion(leaves[index], index, head.Size, Hashes(inclusion), head.RootHash));
            }

            ProofResponse consistency = await fixture.Audit.ConsistencyProofAsync(
                new ConsistencyProofRequest { Job = job, OldSize = (ulong)heads[0].Size, NewSize = (ulong)head.Size });
            Assert.True(MerkleProofs.VerifyConsistency(heads[0].Size, head.Size, heads[0].RootHash, head.RootHash, Hashes(consistency)));
        }

        using MemoryStream file = await ExportAsync(fixture, job);
        using var reader = new TranscriptReader(file);
        List<byte[]> payloads = [];
        List<RecordType> records = [];
        TranscriptHeader? header = null;
        while (await reader.ReadAsync() is { } record)
        {
            records.Add(record.Type);
            if (record.Type == RecordType.Header)
                header = TranscriptHeader.Parser.ParseFrom(record.Body.Span);
            else if (record.Type == RecordType.Payload)
                payloads.Add(record.Body.ToArray());
        }

        Assert.Equal((job, 8UL, Payloads.Full, JobState.Done), (header!.Job, header.Entries, header.Payloads, header.State));
        Assert.Equal(fixture.Coordinator.Public.SubjectPublicKeyInfo.ToArray(), header.Coordinator.IdentityKey.ToByteArray());
        Assert.Equal(8, records.Count(type => type == RecordType.Entry));
        Assert.Equal(4, records.Count(type => type == RecordType.Checkpoint));
        Assert.Equal((RecordType.Deliveries, RecordType.Trailer), (records[^2], records[^1]));
        Assert.Equal(new[] { 2, 2, 1 << 20, 1 << 20, 77, 1 << 20, 1 << 20, 77, 2, 2, 2, 2 }, payloads.Select(payload => payload.Length));
        Assert.Equal(large, payloads[2..5].SelectMany(payload => payload));
    }

    [Fact]
    public async Task A_job_that_keeps_hashes_is_exported_with_what_crossed_in_the_clear_alone()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        string job = await EndedJobAsync(fixture, [1, 2, 3], spec => spec.Payloads = Payloads.Hashes);
        using MemoryStream file = await ExportAsync(fixture, job);
        using var reader = new TranscriptReader(file);
        int payloads = 0;
        Payloads kept = Payloads.Unspecified;
        while (await reader.ReadAsync() is { } record)
        {
            payloads += record.Type == RecordType.Payload ? 1 : 0;
            kept = record.Type == RecordType.Header ? TranscriptHeader.Parser.ParseFrom(record.Body.Span).Payloads : kept;
        }

        Assert.Equal((Payloads.Hashes, 2), (kept, payloads));
    }

    [Fact]
    public async Task An_open_job_has_checkpoints_but_no_file_and_no_entries_yet()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        foreach (FakeParty party in new[] { bank, retailer })
        {
            await party.SendAsync(job, Step.KeyExchange);
            await party.SendAsync(job, Step.BlindedIds);
        }

        CheckpointProposal proposal = await bank.ProposalAsync();
        Assert.Equal(Phase.Session, proposal.Phase);
        Assert.Single((await fixture.Audit.CheckpointsAsync(new TranscriptRequest { Job = job })).Checkpoints);
        Assert.Single((await fixture.Audit.InclusionProofAsync(new InclusionProofRequest { Job = job, Index = 1, TreeSize = 2 })).Hashes);
        await FailsAsync(ExportAsync(fixture, job), StatusCode.FailedPrecondition, "the job is open");
        await FailsAsync(EntriesAsync(fixture, new EntriesRequest { Job = job }), StatusCode.FailedPrecondition, "the job is open");
        await FailsAsync(
            fixture.Audit.InclusionProofAsync(new InclusionProofRequest { Job = job, Index = 1, TreeSize = 3 }).ResponseAsync, StatusCode.InvalidArgument,
            "tree_size is not the size of one of the job's checkpoints");
    }

    [Fact]
    public async Task One_list_has_the_transcripts_of_both_kinds_newest_first_on_pages_of_any_size()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        string submitter = fixture.Submitter.Fingerprint;
        string[] jobs = [.. Enumerable.Range(1, 9).Select(number => number.ToString("x32", System.Globalization.CultureInfo.InvariantCulture))];
        await fixture.RestartAsync(async path =>
        {
            await using ICoordinatorStore store = SqliteCoordinatorStore.Open(path);
            for (int i = 0; i < jobs.Length; i++)
            {
                // Two of one kind, one of the other. In the last of each nothing was exchanged, or nothing was recorded.
                byte[] hash = [.. Enumerable.Repeat((byte)i, 32)];
                if (i % 3 < 2)
                {
                    await store.AddRoundJobAsync(new NewRoundJob(jobs[i], [1], hash, submitter, null, ["bank", "retailer"], 100 + i), CancellationToken.None);
                    if (i < 7)
                        await store.AppendRoundEntriesAsync(jobs[i], [new RoundEntry(0, 0, 0, [1], [2], null, 5)], 200, CancellationToken.None);
                    await store.MoveRoundJobAsync(jobs[i], JobState.Done, null, 300, CancellationToken.None);
                }
                else
                {
                    await store.AddJobAsync(
                        new NewJob(jobs[i], [1], hash, submitter, "old", "bank", "retailer", 60, 100 + i, i < 8 ? Payloads.Full : Payloads.Unspecified), CancellationToken.None);
                    await store.EndJobAsync(jobs[i], JobState.Cancelled, new JobError { Code = nameof(ErrorCode.Cancelled) }, 300, CancellationToken.None);
                }
            }
        });

        foreach (uint size in new uint[] { 1, 2, 4, 100 })
        {
            List<string> listed = [];
            ListTranscriptsRequest request = new() { PageSize = size };
            do
            {
                ListTranscriptsResponse page = await fixture.Audit.ListAsync(request);
                Assert.InRange(page.Transcripts.Count, 0, (int)size);
                listed.AddRange(page.Transcripts.Select(one => one.Job));
                request.PageToken = page.NextPageToken;
            }
            while (request.PageToken.Length > 0);
            Assert.Equal(jobs[..7].Reverse(), listed);
        }
    }

    [Fact]
    public async Task What_is_not_there_is_refused_in_words()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        string job = await EndedJobAsync(fixture, [1]);
        var unknown = new TranscriptRequest { Job = new string('f', 32) };
        await FailsAsync(fixture.Audit.CheckpointsAsync(unknown).ResponseAsync, StatusCode.NotFound, "no such job");
        await FailsAsync(ExportAsync(fixture, unknown.Job), StatusCode.NotFound, "no such job");
        await FailsAsync(ExportAsync(fixture, "x"), StatusCode.NotFound, "no such job");
        await FailsAsync(
            fixture.Audit.InclusionProofAsync(new InclusionProofRequest { Job = job, Index = 8, TreeSize = 8 }).ResponseAsync, StatusCode.InvalidArgument, "index is not below");
        await FailsAsync(
            fixture.Audit.ConsistencyProofAsync(new ConsistencyProofRequest { Job = job, OldSize = 8, NewSize = 2 }).ResponseAsync, StatusCode.InvalidArgument, "old_size is above");
        await FailsAsync(fixture.Audit.ListAsync(new ListTranscriptsRequest { PageSize = 1001 }).ResponseAsync, StatusCode.InvalidArgument, "at most 1000");
        await FailsAsync(fixture.Audit.ListAsync(new ListTranscriptsRequest { PageToken = "?" }).ResponseAsync, StatusCode.InvalidArgument, "page_token");

        string refused = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        await fixture.Jobs.CancelAsync(new CancelRequest { Job = refused, Signature = ByteString.CopyFrom(fixture.CancelSignature(refused)) });
        await FailsAsync(ExportAsync(fixture, refused), StatusCode.FailedPrecondition, "nothing was exchanged");
    }

    [Fact]
    public async Task Reading_whole_jobs_takes_a_watchers_place()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxWatchers = 1 } });
        string job = await EndedJobAsync(fixture, [1]);
        string open = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        using (AsyncServerStreamingCall<JobStatus> watch = fixture.Jobs.Watch(new GetJobRequest { Job = open }))
        {
            Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
            await FailsAsync(ExportAsync(fixture, job), StatusCode.ResourceExhausted, "watchers");
        }

        await CheckpointTests.WaitAsync(async () =>
        {
            try
            {
                using MemoryStream file = await ExportAsync(fixture, job);
                return file.Length > 0;
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.ResourceExhausted)
            {
                // The watcher's place is free a moment after it left.
                return false;
            }
        });
    }

    [Fact]
    public async Task An_export_that_breaks_off_is_in_the_access_log()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        string job = await EndedJobAsync(fixture, new byte[8 * Limits.MaxChunkBytes]);
        using (AsyncServerStreamingCall<ExportChunk> call = fixture.Audit.Export(new TranscriptRequest { Job = job }))
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        IReadOnlyList<AccessEntry> lines = await fixture.Host.Service<JobHub>().Store.ReadAccessAsync(1, 100, CancellationToken.None);
        Assert.Equal((job, true), lines.Where(line => line.Call == "AuditService/Export").Select(line => (line.Job, line.Allowed)).Single());
    }

    private static async Task<string> EndedJobAsync(CoordinatorFixture fixture, byte[] payload, Action<JobSpec>? change = null)
    {
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync(change: change);
        foreach (FakeParty party in new[] { bank, retailer })
        {
            await party.SendAsync(job, Step.Commitment);
            await party.SendAsync(job, Step.BlindedIds, payload: payload);
            await party.SendAsync(job, Step.TrainSetup);
            await party.SendAsync(job, Step.JobClose);
        }

        foreach (FakeParty party in new[] { bank, retailer })
        {
            await CheckpointTests.AnswerAllAsync(party, proposal => party.CoSignAsync(proposal));
            await party.OutcomeAsync(job, JobState.Done);
        }

        JobStatus done = await fixture.UntilAsync(job, status => status.State == JobState.Done);
        Assert.Empty(done.NotCoSigned);
        return job;
    }

    private static async Task<List<TranscriptEntry>> EntriesAsync(CoordinatorFixture fixture, EntriesRequest request)
    {
        using AsyncServerStreamingCall<TranscriptEntry> call = fixture.Audit.Entries(request);
        List<TranscriptEntry> entries = [];
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
            entries.Add(call.ResponseStream.Current);
        return entries;
    }

    private static async Task<MemoryStream> ExportAsync(CoordinatorFixture fixture, string job)
    {
        using AsyncServerStreamingCall<ExportChunk> call = fixture.Audit.Export(new TranscriptRequest { Job = job });
        MemoryStream file = new();
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            Assert.InRange(call.ResponseStream.Current.Data.Length, 1, Limits.MaxChunkBytes);
            call.ResponseStream.Current.Data.WriteTo(file);
        }

        file.Position = 0;
        return file;
    }

    private static byte[][] Hashes(ProofResponse proof) => [.. proof.Hashes.Select(hash => hash.ToByteArray())];

    private static async Task FailsAsync(Task call, StatusCode status, string words)
    {
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => call);
        Assert.Equal(status, exception.StatusCode);
        Assert.Contains(words, exception.Status.Detail, StringComparison.Ordinal);
    }
}
