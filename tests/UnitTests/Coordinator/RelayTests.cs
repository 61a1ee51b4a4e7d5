using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>Two parties and a coordinator over loopback, from the offer to the end.</summary>
public sealed class RelayTests
{
    [Fact]
    public async Task A_job_goes_from_offer_to_done_and_its_envelopes_arrive_as_sent()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        foreach (int size in new[] { 0, 1, Limits.MaxChunkBytes, (3 * Limits.MaxChunkBytes) + 17 })
        {
            Envelope sent = await bank.DepositAsync(job, RandomNumberGenerator.GetBytes(size));
            Envelope received = await retailer.ReceiveAsync();
            Assert.Equal(sent, received);
            await retailer.AcknowledgeAsync(received);
        }

        Envelope back = await retailer.DepositAsync(job, [1, 2, 3]);
        Assert.Equal(back, await bank.ReceiveAsync());
        await bank.AcknowledgeAsync(back);

        JobStatus running = await fixture.Jobs.GetAsync(new GetJobRequest { Job = job });
        Assert.Equal((JobState.Running, 5UL, Step.BlindedIds), (running.State, running.Envelopes, running.Step));
        Assert.Equal((ulong)(4 + (4 * Limits.MaxChunkBytes) + 17), running.Bytes);

        SealedReport report = ReportSeal.Seal(job, "bank", fixture.Bank, fixture.Submitter.Public, "{}"u8);
        await bank.OutcomeAsync(job, JobState.Done, report: report);
        await fixture.UntilAsync(job, status => status.Awaited.SequenceEqual(["retailer"]));
        await retailer.OutcomeAsync(job, JobState.Done);
        Assert.Equal(JobState.Done, (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.State);
        Assert.Equal(JobState.Done, (await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.State);
        ReportResponse response = await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job });
        Assert.Equal(report, Assert.Single(response.Parts));
        Assert.Equal(JobState.Done, response.Status.State);
        Assert.NotEqual(0, response.Status.EndedUnixMs);
    }

    [Fact]
    public async Task Small_chunks_are_put_together()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Envelope envelope = bank.Next(job, RandomNumberGenerator.GetBytes(Limits.MaxChunkBytes + 100_000));
        await bank.SendEnvelopeAsync(envelope, chunk: 70_001);
        Assert.Equal(envelope, await retailer.ReceiveAsync());
    }

    [Fact]
    public async Task An_equal_deposit_is_acknowledged_again_and_delivered_once()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Envelope first = await bank.DepositAsync(job, [1]);
        await bank.SendEnvelopeAsync(first);
        Assert.Equal(0UL, (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Deposited)).Deposited.Sequence);
        Envelope second = await bank.DepositAsync(job, [2]);
        Assert.Equal(first, await retailer.ReceiveAsync());
        Assert.Equal(second, await retailer.ReceiveAsync());
        Assert.Equal(2UL, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).Envelopes);
    }

    [Fact]
    public async Task What_was_not_acknowledged_comes_again_after_a_reconnect()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Envelope first = await bank.DepositAsync(job, [1]), second = await bank.DepositAsync(job, [2]);
        Assert.Equal(first, await retailer.ReceiveAsync());
        Assert.Equal(second, await retailer.ReceiveAsync());
        await retailer.AcknowledgeAsync(first);
        // The answer to the retailer's own deposit shows that its acknowledgement was taken before it.
        Assert.Equal(await retailer.DepositAsync(job, [9]), await bank.ReceiveAsync());
        await retailer.DisposeAsync();

        FakeParty again = await fixture.ConnectAsync("retailer");
        Assert.Equal([job], again.Registered!.RunningJobs);
        await again.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);
        Assert.Equal(second, await again.ReceiveAsync());
        Envelope third = await bank.DepositAsync(job, [3]);
        Assert.Equal(third, await again.ReceiveAsync());
    }

    [Fact]
    public async Task A_restart_of_the_coordinator_in_the_middle_loses_nothing()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Envelope first = await bank.DepositAsync(job, RandomNumberGenerator.GetBytes(2_000_000));
        Assert.Equal(first, await retailer.ReceiveAsync());
        await fixture.RestartAsync();

        FakeParty bank2 = await fixture.ConnectAsync("bank"), retailer2 = await fixture.ConnectAsync("retailer");
        bank2.TakeOver(bank);
        Assert.Equal([job], bank2.Registered!.RunningJobs);
        JobStart start = (await bank2.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start)).Start;
        Assert.Equal(start, (await retailer2.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start)).Start);
        Assert.Equal((await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).StartedUnixMs, start.StartedUnixMs);
        Assert.Equal(first, await retailer2.ReceiveAsync());
        await retailer2.AcknowledgeAsync(first);
        Envelope second = await bank2.DepositAsync(job, [2]);
        Assert.Equal(second, await retailer2.ReceiveAsync());
        await bank2.OutcomeAsync(job, JobState.Done);
        await retailer2.OutcomeAsync(job, JobState.Done);
        await fixture.UntilAsync(job, status => status.State == JobState.Done);
    }

    [Fact]
    public async Task A_job_stays_queued_until_both_parties_are_there()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        SignedJob signed = fixture.NewJob();
        JobStatus status = await fixture.SubmitAsync(signed);
        Assert.Equal((JobState.Queued, 2, 1U), (status.State, status.Awaited.Count, status.QueuePosition));
        FakeParty bank = await fixture.ConnectAsync("bank");
        status = await fixture.UntilAsync(status.Job, now => now.Awaited.SequenceEqual(["retailer"]));
        Assert.Equal(JobState.Queued, status.State);
        FakeParty retailer = await fixture.ConnectAsync("retailer");
        Assert.Equal(signed.Message, (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer)).Offer.Job);
        await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
        Assert.Equal(JobState.Offered, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = status.Job })).State);
    }

    [Fact]
    public async Task A_refusal_ends_the_job_for_both_with_the_rule()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank"), retailer = await fixture.ConnectAsync("retailer");
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
        await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
        await retailer.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = true } });
        var error = new JobError { Code = nameof(ErrorCode.Refused), Message = "rule max_iterations: at most 10" };
        await bank.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = false, Error = error } });
        JobEnd end = (await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal((JobState.Refused, "bank", error.Message), (end.State, end.Error.Party, end.Error.Message));
        Assert.Equal(JobState.Refused, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
    }

    [Fact]
    public async Task A_partys_failure_reaches_the_other_with_its_error()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        var error = new JobError { Code = nameof(ErrorCode.BadInput), Party = "retailer", Step = "BlindedIds", Message = "retailer.csv:7:3: not a number" };
        await retailer.OutcomeAsync(job, JobState.Failed, error);
        JobEnd end = (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal(JobState.Failed, end.State);
        Assert.Equal(error, end.Error);

        // An envelope that was on its way when the job ended is no offence.
        await bank.SendEnvelopeAsync(bank.Next(job, [1]));
        await bank.OutcomeAsync(job, JobState.Cancelled, new JobError { Code = nameof(ErrorCode.Cancelled) });
        FakeParty other = await fixture.ConnectAsync("insurer");
        Assert.Empty(other.Registered!.RunningJobs);
        Assert.Equal(JobState.Failed, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
    }

    [Fact]
    public async Task A_party_that_was_away_hears_of_the_end_when_it_comes_back()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        await retailer.DisposeAsync();
        await fixture.UntilAsync(job, status => status.Awaited.SequenceEqual(["retailer"]));
        await fixture.Jobs.CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(fixture.CancelSignature(job)) });
        Assert.Equal(JobState.Cancelled, (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.State);
        FakeParty again = await fixture.ConnectAsync("retailer");
        Assert.Empty(again.Registered!.RunningJobs);
        JobEnd end = (await again.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal((job, JobState.Cancelled), (end.Job, end.State));
        await again.OutcomeAsync(job, JobState.Cancelled, end.Error);
    }

    [Fact]
    public async Task A_party_that_repeats_its_last_word_after_the_end_hears_the_end()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        await retailer.OutcomeAsync(job, JobState.Done);
        await fixture.UntilAsync(job, status => status.Awaited.SequenceEqual(["bank"]));
        await retailer.DisposeAsync();
        await bank.OutcomeAsync(job, JobState.Done);
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End);

        FakeParty again = await fixture.ConnectAsync("retailer");
        await again.OutcomeAsync(job, JobState.Done);
        JobEnd end = (await again.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal((job, JobState.Done), (end.Job, end.State));
        await again.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = true } });
        Assert.Equal(JobState.Done, (await again.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.State);
    }

    [Fact]
    public async Task A_newer_connection_replaces_the_older()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        FakeParty newer = await fixture.ConnectAsync("bank");
        RpcException exception = await bank.ExpectStatusAsync();
        Assert.Equal(StatusCode.Aborted, exception.StatusCode);
        await newer.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);
        Envelope envelope = await newer.DepositAsync(job, [1]);
        Assert.Equal(envelope, await retailer.ReceiveAsync());
    }

    [Fact]
    public async Task A_sender_far_ahead_of_a_reader_who_does_not_read_is_bounded_and_nothing_is_lost()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        const int Count = 60;
        var sent = new List<Envelope>();
        for (int i = 0; i < Count; i++)
            sent.Add(await bank.DepositAsync(job, RandomNumberGenerator.GetBytes(Limits.MaxChunkBytes)));

        // Sixteen may be on their way; the rest waits until some are acknowledged.
        for (int i = 0; i < 16; i++)
            Assert.Equal(sent[i], await retailer.ReceiveAsync());
        await retailer.DepositAsync(job, [1]);
        foreach (Envelope envelope in sent.Take(16))
            await retailer.AcknowledgeAsync(envelope);
        for (int i = 16; i < Count; i++)
        {
            Assert.Equal(sent[i], await retailer.ReceiveAsync());
            await retailer.AcknowledgeAsync(sent[i]);
        }
    }
}
