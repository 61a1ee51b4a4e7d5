using Google.Protobuf;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.PartyNode.Relay;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// This party's part of a horizontal job, as answers to the coordinator's questions. What it answers follows from the question, the own rows and the own
/// durable seed, so that a question that comes again, also after a crash, has the same answer.
/// </summary>
internal sealed class RoundSession(JobSpecification job, byte[] specHash, uint place, RoundInput input, byte[] seed, RoundMemory memory, IRoundVoice voice, Identity identity) : IDisposable
{
    private readonly JobPlan _plan = JobPlan.Of(job);
    private readonly RoundScaling _scaling = new(input, job.Horizontal!.Scaling);
    private readonly RandomStreams _streams = new(seed);
    private SecureSumPart? _sum;

    /// <summary>Told of each round that is worked on.</summary>
    public Action<uint> RoundBegun { get; init; } = _ => { };

    /// <summary>Judges the coordinator's checkpoints; null in a replay, which ends with the final model.</summary>
    public RoundWitness? Witness { get; init; }

    /// <summary>Keeps what a round costs, before its answer leaves.</summary>
    public Func<uint, CancellationToken, Task> SpendAsync { get; init; } = (_, _) => Task.CompletedTask;

    /// <summary>The share of a round's steps that this party does, in (0, 1].</summary>
    public double Capacity { get; init; } = 1;

    private HorizontalSpecification Spec => _plan.Specification;

    /// <summary>Answers until the final model is there, and the checkpoint that closes the record with it.</summary>
    /// <exception cref="VertFedException">The coordinator breaks a rule, or training cannot go on.</exception>
    public async Task<RoundResult> RunAsync(IAsyncEnumerable<RoundFrame> frames, CancellationToken cancellationToken)
    {
        FederatedModel model = _plan.ModelOf(input.Columns.Count);
        RoundResult? finished = null;
        await foreach (RoundFrame frame in frames.WithCancellation(cancellationToken))
        {
            if (frame.Proposal is { } proposal)
            {
                byte[]? root = Judge(proposal, frame.Checkpoints!);
                if (root is not null && finished is not null)
                {
                    return finished with { TranscriptRoot = root };
                }

                continue;
            }

            if (frame.Envelope is not { } envelope)
            {
                await voice.ResendAsync(frame.ResumeFrom, cancellationToken);
                continue;
            }

            RoundHeader header = envelope.Header;
            RoundCodec.Verify(envelope, frame.Coordinator);
            if (header.Sender != RoundCodec.Coordinator || (header.Recipient != place && header.Recipient != RoundCodec.Everyone))
            {
                throw Broken(header, "it is not the coordinator's to this party");
            }

            if (await voice.HearAsync(envelope, cancellationToken) == Hearing.Earlier)
            {
                await voice.RepeatAsync(header, [AnswerTo(header.Step), RoundStep.SumLost], cancellationToken);
                continue;
            }

            try
            {
                if (header.Step == RoundStep.FinalModel)
                {
                    finished = Finish(model, RoundCodec.Payload(envelope, FinalModel.Parser));
                    if (Witness is null)
                    {
                        return finished;
                    }

                    continue;
                }

                await AnswerAsync(model, envelope, cancellationToken);
            }
            catch (HorizontalException error)
            {
                throw new VertFedException(ErrorCode.ProtocolViolation, $"{header.Step} of round {header.Round}: {error.Message}", error) { Step = header.Step.ToString() };
            }
        }

        throw new VertFedException(ErrorCode.PeerUnavailable, "The coordinator's frames ended before the final model.") { Party = "coordinator" };
    }

    public void Dispose()
    {
        _sum?.Dispose();
        _streams.Dispose();
    }

    /// <returns>The root of the whole record, where the proposal closes it.</returns>
    private byte[]? Judge(RoundProposal proposal, CheckpointVerifier coordinator)
    {
        if (Witness is null || !Witness.CanJudge(proposal))
        {
            return null;
        }

        voice.Say(Witness.Judge(proposal, coordinator, out VertFedException? breach, out byte[]? root));
        return breach is null ? root : throw breach;
    }

    private async Task AnswerAsync(FederatedModel model, RoundEnvelope question, CancellationToken cancellationToken)
    {
        RoundHeader header = question.Header;
        RoundStep answer = AnswerTo(header.Step);
        answer = IsLost(header, answer) ? RoundStep.SumLost : answer;
        if (voice.TryRepeat(header, answer))
        {
            return;
        }

        IMessage? payload = header.Step switch
        {
            _ when answer == RoundStep.SumLost => new SumLost(),
            RoundStep.SchemaOrder => SchemaOf(RoundCodec.Payload(question, SchemaOrder.Parser)),
            RoundStep.ScalingOrder => Scaling(header, RoundCodec.Payload(question, ScalingOrder.Parser)),
            RoundStep.ModelOrder => await WorkAsync(model, header, RoundCodec.Payload(question, ModelOrder.Parser), cancellationToken),
            RoundStep.SumKeyList => SumOf(header)?.Share(RoundCodec.Payload(question, SumKeyList.Parser)),
            RoundStep.SumShareBundle => SumOf(header)?.Mask(RoundCodec.Payload(question, SumShareBundle.Parser)),
            RoundStep.SumSurvivors => Unmask(header, RoundCodec.Payload(question, SumSurvivors.Parser)),
            _ => throw Broken(header, "there is no answer to it"),
        };

        // Nothing to say: not invited.
        if (payload is not null)
        {
            if (header.Round > 0 && payload is ModelUpdate or SumMasked)
            {
                await SpendAsync(header.Round, cancellationToken);
            }

            await voice.AnswerAsync(header, answer, payload, cancellationToken);
        }
    }

    private RoundStep AnswerTo(RoundStep question) => question switch
    {
        RoundStep.SchemaOrder => RoundStep.Schema,
        RoundStep.ScalingOrder => Spec.IsSecure ? RoundStep.SumKeys : RoundStep.ScalingSums,
        RoundStep.ModelOrder => Spec.IsSecure ? RoundStep.SumKeys : RoundStep.ModelUpdate,
        RoundStep.SumKeyList => RoundStep.SumShares,
        RoundStep.SumShareBundle => RoundStep.SumMasked,
        RoundStep.SumSurvivors => RoundStep.SumUnmasking,
        _ => RoundStep.Unspecified,
    };

    private Schema SchemaOf(SchemaOrder order)
    {
        if (!order.SpecHash.Span.SequenceEqual(specHash))
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, "The coordinator asks under another job spec than the one that was accepted.") { Step = nameof(RoundStep.SchemaOrder) };
        }

        return new Schema
        {
            SpecHash = ByteString.CopyFrom(specHash),
            ColumnsHash = ByteString.CopyFrom(input.Schema),
            Columns = (uint)input.Columns.Count,
            Rows = Spec.IsSecure ? 0 : (ulong)input.Train.Count,
            SoftwareVersion = SoftwareVersion.Current,
        };
    }

    private IMessage? Scaling(RoundHeader header, ScalingOrder order)
    {
        // Asked for where the spec has none they would go round the rules on exact sums; under two rounds, for two sets of parties, they would differ by somebody's.
        if (Spec.Scaling != ScalingChoice.Federated || header.Round != 0)
        {
            throw Broken(header, "the job spec asks for no such sums");
        }

        if (!order.Invited.Contains(place))
        {
            return null;
        }

        double[] sums = FederatedScaling.Contribution(input.Train);
        return Spec.IsSecure
            ? Enter(header, [.. order.Invited], order.Threshold, WideEncoding.Encode(sums))
            : order.Threshold == 0
            ? new ScalingSums { Sums = { sums } }
            : throw Broken(header, "it asks for a secure sum, which the job spec does not");
    }

    private async Task<IMessage?> WorkAsync(FederatedModel model, RoundHeader header, ModelOrder order, CancellationToken cancellationToken)
    {
        if (!order.Invited.Contains(place))
        {
            return null;
        }

        if (header.Round is 0 || header.Round > Spec.Rounds)
        {
            throw Broken(header, "the job spec has no such round");
        }

        if (order.Counted.Count != job.Parties.Count)
        {
            throw Broken(header, "it does not say of each party when its update counted last");
        }

        if (!memory.TryScale(OrderEssence.OfScaling(order.Means, order.Deviations)))
        {
            throw Broken(header, "the means and deviations are not those of the first order");
        }

        byte[] essence = OrderEssence.Of(order);
        if (_plan.Buffer is null && !memory.TryOrder(header.Round, essence))
        {
            throw Broken(header, "this round had another order before, or a later round has begun");
        }

        RoundBegun(header.Round);
        memory.Settle(header.Round, order.Counted[(int)place - 1]);
        AggregationStrategy strategy = _plan.WithNoise(_streams);
        int length = model.Layout.Length;
        if (order.Parameters.Count != _plan.OrderLength(model) || !order.Parameters.All(double.IsFinite) || (strategy.UsesControl ? order.Control.Count != length : order.Control.Count != 0) || !order.Control.All(double.IsFinite))
        {
            throw Broken(header, "the model or its control variate has another length than the job's, or a number that is not finite");
        }

        // With distillation the work stays in the own model whether or not this answer leaves, so it is paid for before it is done; but not before the order is
        // found good: what is paid for is known by the highest round, and one that is not worked on would have those below it for nothing.
        if (_plan.Digest is not null)
        {
            await SpendAsync(header.Round, cancellationToken);
        }

        Examples rows = _scaling.Train(order.Means, order.Deviations);
        LocalWork local = strategy.Prepare(_plan.Work);
        double[] said = [.. order.Parameters];
        int cluster = 0;
        double[] global = _plan.Digest is null
            ? ClusterPart.Choose(_plan, model, said, rows, out cluster)
            : DistillationPart.Digest(_plan, model, memory, header.Round, said, _scaling.Public(order.Means, order.Deviations), _streams, place, cancellationToken);
        RoundOrder work = new((int)header.Round - 1, global, strategy.UsesControl ? [.. order.Control] : null, Capacity < 1 ? local.Limited(Capacity, rows.Count) : local)
        {
            Clip = order.Clip > 0 ? order.Clip : null,
        };
        double[]? control = strategy.UsesControl ? memory.Control ?? new double[length] : null;
        using RandomStream stream = _streams.For(OrderEssence.LocalPurpose(_plan, essence), OrderEssence.Sequence(_plan, header), place);
        ClientUpdate update = LocalTrainer.Run(model, (int)place - 1, rows, work, control, stream, cancellationToken);
        update = _plan.TellsLoss ? update : update with { LossBefore = null, LossAfter = null };
        double[]? own = null;
        update = _plan.Digest is null ? update : DistillationPart.Outputs(model, update, global, said, _scaling.Public(order.Means, order.Deviations), out own);
        PersonalPart.Round(_plan, model, memory, header.Round, rows, work.Parameters, _streams, place);
        if (!Spec.IsSecure)
        {
            return order.Threshold == 0 ? Plain(header, update, cluster, own) : throw Broken(header, "it asks for a secure sum, which the job spec does not");
        }

        memory.Pend(header.Round, update.ControlDelta, residual: null, own);
        double[] contribution = ((SumStrategy)strategy).Contribution(update, work.Clip);
        if (_plan.TellsLoss)
        {
            contribution = [.. contribution, update.Examples * update.LossBefore!.Value, update.Examples];
        }

        ulong[] vector = _plan.Encoding.Encode(contribution);
        if (_plan.Privacy is { Level: PrivacyLevel.Distributed } noisy)
        {
            noisy.AddNoise(vector, _streams, header.Round, place);
        }

        return Enter(header, [.. order.Invited], order.Threshold, vector);
    }

    private ModelUpdate Plain(RoundHeader header, ClientUpdate update, int cluster, double[]? own)
    {
        using RandomStream rounding = _streams.For("codec", OrderEssence.Sequence(_plan, header), place);
        byte[] encoded = CompressionPart.Encode(_plan.Codec, update.Delta, memory.Residual, rounding, out double[]? residual);
        memory.Pend(header.Round, update.ControlDelta, residual, own);
        return new ModelUpdate
        {
            Delta = UnsafeByteOperations.UnsafeWrap(encoded),
            ControlDelta = { update.ControlDelta ?? [] },
            Examples = (ulong)update.Examples,
            Steps = (uint)update.Steps,
            NormalisedSteps = update.NormalisedSteps,
            HasLosses = update.LossBefore is not null && update.LossAfter is not null,
            LossBefore = update.LossBefore ?? 0,
            LossAfter = update.LossAfter ?? 0,
            Cluster = (uint)cluster,
        };
    }

    private SumKeys Enter(RoundHeader header, uint[] invited, uint threshold, ulong[] vector)
    {
        for (int i = 0; i < invited.Length; i++)
        {
            if (invited[i] is 0 || invited[i] > job.Parties.Count || (i > 0 && invited[i] <= invited[i - 1]))
            {
                throw Broken(header, "the parties it invites are not places of the job in ascending order");
            }
        }

        // The order may not weaken what the job spec promises: a sum over fewer parties, or with less noise than is counted, is none of this party's.
        if (invited.Length < 3 || threshold < Math.Max(_plan.FewestIn(header.Round), SecureSumPlan.For(0, invited.Length, 1).Threshold))
        {
            throw Broken(header, "it asks for a secure sum over fewer parties than the job spec allows");
        }

        // Keys and masks are drawn by round and attempt: in a second sum under the same ones they would be those of the first.
        if (!memory.MayEnter(header.Round, header.Attempt))
        {
            throw Broken(header, "this secure sum was entered before");
        }

        memory.Enter(header.Round, header.Attempt);
        _sum?.Dispose();
        SecureSumPlan plan = new((int)header.Round, invited.Length, (int)threshold, vector.Length);
        _sum = new SecureSumPart(job, plan, invited, place, header, vector, _streams.For("secure-sum", header.Round, header.Attempt));
        return _sum.Keys(identity);
    }

    /// <summary>Whether a secure sum is asked about whose keys went with an earlier run of this node.</summary>
    private bool IsLost(RoundHeader header, RoundStep answer) =>
        answer is RoundStep.SumKeys or RoundStep.SumShares or RoundStep.SumMasked or RoundStep.SumUnmasking && SumOf(header) is null
        && (answer == RoundStep.SumKeys ? !memory.MayEnter(header.Round, header.Attempt) : !voice.HasSaid(header, answer));

    private SecureSumPart? SumOf(RoundHeader header) => _sum is { } sum && sum.Round == header.Round && sum.Attempt == header.Attempt ? sum : null;

    private SumUnmasking? Unmask(RoundHeader header, SumSurvivors survivors)
    {
        if (SumOf(header) is not { } sum)
        {
            return null;
        }

        if (!memory.MayOpen(header.Round, survivors.Parties))
        {
            throw Broken(header, "shares of this round were opened for other parties before");
        }

        memory.Open(header.Round, survivors.Parties);
        return sum.Unmask(survivors);
    }

    private RoundResult Finish(FederatedModel model, FinalModel final)
    {
        if (!memory.TryScale(OrderEssence.OfScaling(final.Means, final.Deviations)))
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, "The final model's means and deviations are not those of the rounds.") { Party = "coordinator", Step = nameof(RoundStep.FinalModel) };
        }

        if (final.Parameters.Count != _plan.OrderLength(model) || !final.Parameters.All(double.IsFinite) || final.Rounds > Spec.Rounds)
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, "The final model has another length, a number that is not finite, or too many rounds.") { Step = nameof(RoundStep.FinalModel) };
        }

        if (final.Counted.Count != job.Parties.Count)
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, "The final model does not say of each party when its update counted last.") { Party = "coordinator", Step = nameof(RoundStep.FinalModel) };
        }

        bool onTest = input.Test.Count > 0;
        Examples train = _scaling.Apply(input.Train, final.Means, final.Deviations);
        Examples rows = onTest ? _scaling.Apply(input.Test, final.Means, final.Deviations) : train;
        int cluster = 0;
        double[] own = _plan.Digest is null ? ClusterPart.Choose(_plan, model, [.. final.Parameters], train, out cluster) : DistillationPart.Close(memory, final, place);
        Evaluation measured = Evaluation.Of(model, own, rows);
        return new RoundResult(final, input.Encoder, input.Train.Count, measured, onTest, Evaluation.ScoreName(_plan.Head), Epsilon: 0)
        {
            Groups = input.Groups?.Measure(model, own, rows, onTest ? input.Groups.Test : input.Groups.Train) ?? [],
            Parameters = own,
            Cluster = _plan.Models > 1 ? cluster : null,
            Personal = PersonalPart.Close(_plan, model, memory, train, rows, own, _streams, place),
        };
    }

    private static VertFedException Broken(RoundHeader header, string what) =>
        new(ErrorCode.ProtocolViolation, $"The coordinator's {header.Step} of round {header.Round}: {what}.") { Party = "coordinator", Step = header.Step.ToString() };
}
