using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.Coordinator;
using VertFed.UnitTests.Operations;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>A party that speaks the frames and sends what no honest one would: refused, named, and the job goes on.</summary>
public sealed class HostileRoundTests
{
    private const int Parameters = 3;

    [Fact]
    public async Task What_is_not_finite_has_another_shape_is_stale_or_comes_twice_is_refused_by_name_and_the_job_goes_on()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        fixture.StartNode(0);
        fixture.StartNode(1);
        using GrpcChannel channel = TestTls.Connect(fixture.Address, fixture.Identities[2], fixture.CoordinatorIdentity.Fingerprint);
        using CheckpointSigner signer = CheckpointSigner.Create(fixture.Identities[2]);
        await using FakeParty party = new(fixture.Names[2], fixture.Identities[2], signer, Role.LabelParty, channel);
        await party.RegisterAsync();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec =>
        {
            spec.Scaling = ScalingChoice.None;
            spec.MinimumClients = 2;
            spec.Rate = 1e-6;
        }));
        Hostile hostile = new(party, job, fixture.Identities[2]);

        await hostile.RunAsync(round => round switch
        {
            1 => [Update([double.NaN, 0, 0])],
            2 => [Update([0, 0])],
            3 => [Update([0, 0, 0]) with { Round = 1 }, Update([0, 0, 0])],
            _ => [Update([0, 0, 0]), Update([1, 1, 1])],
        });

        JobStatus end = await fixture.EndOfAsync(job);
        Assert.True(end.State == JobState.Done, end.ToString());
        JsonElement[] rounds = [.. (await fixture.RoundsAsync(job)).GetProperty("rounds").EnumerateArray()];
        string[] reasons = [.. rounds.SelectMany(round => round.GetProperty("refusals").EnumerateArray()).Select(note => $"{note.GetProperty("party")}: {note.GetProperty("reason")}")];
        Assert.Contains(reasons, reason => reason.StartsWith("east: ", StringComparison.Ordinal) && reason.Contains("not finite", StringComparison.Ordinal));
        Assert.Contains(reasons, reason => reason.Contains("does not have the length", StringComparison.Ordinal));
        Assert.Contains(reasons, reason => reason.Contains("ModelUpdate of round 1 came late", StringComparison.Ordinal));
        Assert.All(reasons, reason => Assert.StartsWith("east: ", reason, StringComparison.Ordinal));
        Assert.Equal([2, 2, 3], rounds.Take(3).Select(round => round.GetProperty("counted").GetArrayLength()));
    }

    [Fact]
    public async Task Frames_that_are_no_envelopes_of_the_party_end_its_stream_with_a_typed_status_and_the_others_train_on()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        fixture.StartNode(0);
        fixture.StartNode(1);
        using GrpcChannel channel = TestTls.Connect(fixture.Address, fixture.Identities[2], fixture.CoordinatorIdentity.Fingerprint);
        using CheckpointSigner signer = CheckpointSigner.Create(fixture.Identities[2]);
        using Identity stranger = Identity.Create();
        await using FakeParty first = await ConnectAsync();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec =>
        {
            spec.Scaling = ScalingChoice.None;
            (spec.MinimumClients, spec.ClientsPerRound, spec.OverSelection, spec.Rounds) = (2, 2, 1.5, 2);
        }));
        Hostile hostile = new(first, job, fixture.Identities[2]);
        RoundHeader order = (await hostile.NextQuestionAsync()).Header;

        Envelope good = hostile.Build(order, Update([0, 0, 0]), fixture.Identities[2]).Message;
        Envelope large = good.Clone(), garbage = good.Clone(), huge = good.Clone();
        large.Payload = ByteString.CopyFrom(new byte[RoundCodec.MaxPayloadBytes + 1]);
        garbage.Core = ByteString.CopyFrom(Enumerable.Repeat((byte)0xff, 100).ToArray());
        huge.Payload = ByteString.CopyFrom(new byte[5 * Limits.MaxChunkBytes]);
        await RefusedAsync(first, large, StatusCode.InvalidArgument, "another size than its core says");
        await RefusedAsync(await ConnectAsync(), garbage, StatusCode.InvalidArgument, "A round's core");
        await RefusedAsync(await ConnectAsync(), hostile.Build(order, Update([0, 0, 0]), stranger).Message, StatusCode.InvalidArgument, "does not verify with the sender's pinned key");
        await RefusedAsync(await ConnectAsync(), huge, StatusCode.ResourceExhausted, "");

        // It leaves, or the job would wait for its last word until the deadline.
        await using FakeParty last = await ConnectAsync();
        await last.OutcomeAsync(job, JobState.Done);
        JobStatus end = await fixture.EndOfAsync(job);
        Assert.True(end.State == JobState.Done, end.ToString());
        JsonElement[] rounds = [.. (await fixture.RoundsAsync(job)).GetProperty("rounds").EnumerateArray()];
        Assert.All(rounds, round => Assert.Equal(["north", "south"], round.GetProperty("counted").EnumerateArray().Select(name => name.GetString())));
        ExpositionFormat page = await fixture.MetricsAsync();
        Assert.Equal(2, page.Value("vertfed_horizontal_round_duration_seconds_count"));
        Assert.Equal(4, page.Value("vertfed_horizontal_round_parties_total", ("answer", "counted")));
        Assert.True(page.Value("vertfed_horizontal_round_size_bytes_total", ("direction", "up")) > 0);

        async Task<FakeParty> ConnectAsync()
        {
            FakeParty party = new(fixture.Names[2], fixture.Identities[2], signer, Role.LabelParty, channel);
            await party.RegisterAsync();
            return party;
        }

        static async Task RefusedAsync(FakeParty party, Envelope envelope, StatusCode status, string why)
        {
            await using FakeParty closed = party;
            try
            {
                await party.SendAsync(new PartyFrame { Round = envelope });
            }
            catch (Exception e) when (e is RpcException or InvalidOperationException)
            {
                // The stream may be closed while the frame is still being written; the status says why.
            }

            RpcException refused = await party.ExpectStatusAsync();
            Assert.Equal(status, refused.StatusCode);
            Assert.Contains(why, refused.Status.Detail, StringComparison.Ordinal);
            if (status == StatusCode.InvalidArgument)
            {
                Assert.Equal(nameof(ErrorCode.ProtocolViolation), refused.Trailers.GetValue("vertfed-code"));
            }
        }
    }

    private static Said Update(double[] delta)
    {
        byte[] bytes = new byte[8 * delta.Length];
        for (int i = 0; i < delta.Length; i++)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(8 * i), delta[i]);
        }

        return new Said(new ModelUpdate { Delta = ByteString.CopyFrom(bytes), Examples = 10, Steps = 1, NormalisedSteps = 1, HasLosses = true, LossBefore = 0.5, LossAfter = 0.5 });
    }

    private sealed record Said(ModelUpdate Message)
    {
        /// <summary>The round to claim; null: the one that was asked for.</summary>
        public uint? Round { get; init; }
    }

    private sealed class Hostile(FakeParty party, string job, Identity identity)
    {
        private readonly RoundTrail _trail = new(job, 3);

        public async Task RunAsync(Func<uint, Said[]> answers)
        {
            while (true)
            {
                RoundHeader header = (await NextQuestionAsync()).Header;
                if (header.Step == RoundStep.ModelOrder)
                {
                    foreach (Said said in answers(header.Round))
                    {
                        await SayAsync(header, RoundStep.ModelUpdate, said.Round ?? header.Round, said.Message);
                    }
                }
                else
                {
                    await party.SendAsync(new PartyFrame { Outcome = new JobOutcome { Job = job, Attempt = 1, State = JobState.Done } });
                    return;
                }
            }
        }

        /// <summary>Takes the job on and tells its columns; the next question after that.</summary>
        public async Task<RoundEnvelope> NextQuestionAsync()
        {
            while (true)
            {
                CoordinatorFrame frame = await party.NextAsync();
                if (frame.FrameCase == CoordinatorFrame.FrameOneofCase.Offer)
                {
                    await party.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = true } });
                    continue;
                }

                if (frame.FrameCase != CoordinatorFrame.FrameOneofCase.Round)
                {
                    continue;
                }

                RoundEnvelope question = RoundCodec.Parse(frame.Round);
                if (question.Header.Step != RoundStep.SchemaOrder)
                {
                    return question;
                }

                ByteString spec = RoundCodec.Payload(question, SchemaOrder.Parser).SpecHash;
                await SayAsync(
                    question.Header, RoundStep.Schema, question.Header.Round,
                    new Schema { SpecHash = spec, ColumnsHash = Columns(), Columns = Parameters - 1, Rows = 10, SoftwareVersion = "test" });
            }
        }

        /// <summary>An update that is not sent.</summary>
        public RoundEnvelope Build(RoundHeader question, Said said, Identity signer) =>
            RoundCodec.Build(_trail.Header(RoundCodec.Coordinator, RoundStep.ModelUpdate, question.Round, question.Attempt), said.Message, signer, 1);

        private async Task SayAsync(RoundHeader question, RoundStep step, uint round, IMessage payload)
        {
            RoundEnvelope envelope = RoundCodec.Build(_trail.Header(RoundCodec.Coordinator, step, round, question.Attempt), payload, identity, 1);
            _trail.Add(envelope);
            await party.SendAsync(new PartyFrame { Round = envelope.Message });
        }

        private static ByteString Columns()
        {
            using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (string name in new[] { "age", "income", "logistic" })
            {
                hash.AppendData([0, 0, 0, (byte)name.Length]);
                hash.AppendData(Encoding.UTF8.GetBytes(name));
            }

            return ByteString.CopyFrom(hash.GetHashAndReset());
        }
    }
}
