using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Rounds;

/// <summary>
/// The training of one horizontal job: columns compared → scaling → rounds → final model. What it carries is kept before and after each of
/// them, so that it goes on where it was after a crash, with the open one begun again.
/// </summary>
internal sealed class RoundTraining(JobSpecification job, byte[] specHash, RoundConversation conversation, RoundTree tree, IRoundStore store, RoundCheckpoint checkpoint) : IDisposable
{
    private const int MostRows = UpdateReader.MostRows;

    private readonly JobPlan _plan = JobPlan.Of(job);
    private readonly RandomStreams _streams = new(checkpoint.Seed.Span);
    private readonly uint[] _all = [.. Enumerable.Range(1, job.Parties.Count).Select(place => (uint)place)];

    private HorizontalSpecification Spec => _plan.Specification;

    /// <summary>Told of each round that was done.</summary>
    public Action<RoundSummary> Concluded { get; init; } = _ => { };

    /// <summary>What it carries now.</summary>
    public RoundCheckpoint Checkpoint => checkpoint;

    /// <summary>What a job carries that has not begun.</summary>
    public static RoundCheckpoint Fresh() => new() { Seed = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(RandomStream.KeyBytes)) };

    /// <summary>Runs to the final model, and waits until the parties have it.</summary>
    /// <exception cref="VertFedException">PeerUnavailable: too few parties. BadInput: their columns differ.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (checkpoint.Columns == 0)
            await CompareColumnsAsync(cancellationToken);
        FederatedModel model = _plan.ModelOf((int)checkpoint.Columns);
        if (Spec.Scaling == ScalingChoice.Federated && checkpoint.Means.Count == 0)
            await ScaleAsync(cancellationToken);
        if (checkpoint.Parameters.Count == 0)
        {
            using RandomStream initial = _streams.For("initial", 0, RandomStreams.Server);
            double[] first = model.Initial(initial);
            checkpoint.Parameters.AddRange(_plan.Digest is not null ? new double[_plan.OrderLength(model)] : _plan.Models == 1 ? first : Clusters.Join(Clusters.Start(first, _plan.Models, _streams)).Parameters);
        }

        if (_plan.Buffer is not null)
            await new BufferedRounds(_plan, conversation, _streams, checkpoint, Conclude, SaveVersionAsync).RunAsync(cancellationToken);
        AggregationStrategy strategy = _plan.WithNoise(_streams);
        while (checkpoint.Rounds < Spec.Rounds && !checkpoint.Converged)
            await RoundAsync(strategy, cancellationToken);
        await FinishAsync(cancellationToken);
    }

    public void Dispose() => _streams.Dispose();

    private async Task CompareColumnsAsync(CancellationToken cancellationToken)
    {
        await BeginAsync(cancellationToken);
        SortedDictionary<uint, Schema> schemas = [];
        Question question = new(
            RoundStep.SchemaOrder, 0, checkpoint.Attempt, _all, _ => new SchemaOrder { SpecHash = ByteString.CopyFrom(specHash) }, IsForAll: true,
            RoundStep.Schema, _all.Length, _all.Length, job.Deadline);
        await conversation.AskAsync(
            question,
            envelope =>
            {
                Schema schema = RoundCodec.Payload(envelope, Schema.Parser);
                if (!schema.SpecHash.Span.SequenceEqual(specHash) || schema.Columns is 0 or > Limits.MaxColumns || schema.ColumnsHash.Length != 32 || schema.Rows > MostRows)
                    throw new VertFedException(ErrorCode.ProtocolViolation, "the schema is of another spec, or a field is out of range");
                schemas[envelope.Header.Sender] = schema;
            },
            cancellationToken);

        // Most parties are taken to be right: whoever differs from them is named, and which column differs it can find in its own log.
        ByteString usual = schemas.Values.GroupBy(schema => schema.ColumnsHash).OrderByDescending(group => group.Count()).First().Key;
        string[] others = [.. schemas.Where(pair => pair.Value.ColumnsHash != usual).Select(pair => conversation.NameOf(pair.Key))];
        if (others.Length > 0)
        {
            throw new VertFedException(ErrorCode.BadInput, $"The columns of {string.Join(", ", others)} are not those of the other parties: names, order, encoding and the kind of label must be the same.")
            {
                Party = others[0], Step = nameof(RoundStep.Schema),
            };
        }

        if (Spec.Selection == SelectionChoice.BySize)
            Replace(checkpoint.Rows, [.. schemas.Values.Select(schema => schema.Rows)]);
        checkpoint.Columns = schemas.Values.First().Columns;
        checkpoint.Attempt = 0;
        _ = conversation.TakeCounts(out _, out _);
        await SaveAsync(cancellationToken);
    }

    private async Task ScaleAsync(CancellationToken cancellationToken)
    {
        await BeginAsync(cancellationToken);
        int length = 1 + (2 * (int)checkpoint.Columns);
        double[] sum = new double[length];
        IReadOnlyList<uint> counted;
        if (Spec.IsSecure)
        {
            SecureSumPlan plan = PlanOf(0, _all.Length, WideEncoding.Limbs * length);
            SecureSumRun run = new(conversation, plan, _all, 0, checkpoint.Attempt, Spec.RoundDeadline);
            (ulong[] masked, counted) = await run.RunAsync(
                RoundStep.ScalingOrder, new ScalingOrder { Invited = { _all }, Threshold = (uint)plan.Threshold }, cancellationToken);
            sum = WideEncoding.Decode(masked);
        }
        else
        {
            Question question = new(
                RoundStep.ScalingOrder, 0, checkpoint.Attempt, _all, _ => new ScalingOrder { Invited = { _all } }, IsForAll: true,
                RoundStep.ScalingSums, _all.Length, Spec.MinimumClients, Spec.RoundDeadline);
            SortedDictionary<uint, double[]> parts = [];
            counted = await conversation.AskAsync(
                question,
                envelope =>
                {
                    double[] part = [.. RoundCodec.Payload(envelope, ScalingSums.Parser).Sums];
                    if (part.Length != length || !part.All(double.IsFinite) || part[0] is < 1 or > MostRows)
                        throw new VertFedException(ErrorCode.ProtocolViolation, "the sums for scaling have another length, or a number that is out of range");
                    parts[envelope.Header.Sender] = part;
                },
                cancellationToken);
            foreach (double[] part in parts.Values)
            {
                for (int i = 0; i < length; i++)
                    sum[i] += part[i];
            }
        }

        FederatedScaling scaling = FederatedScaling.FromSum(sum);
        checkpoint.Means.AddRange(scaling.Means.ToArray());
        checkpoint.Deviations.AddRange(scaling.Deviations.ToArray());
        Conclude(Summary(0, _all, counted));
        await SaveAsync(cancellationToken);
        await tree.ConcludeAsync(0, cancellationToken);
    }

    private async Task RoundAsync(AggregationStrategy strategy, CancellationToken cancellationToken)
    {
        uint round = checkpoint.Rounds + 1;
        uint[] invited = Invite(round);
        await BeginAsync(cancellationToken);
        ServerState state = CarriedState.Of(checkpoint);
        RoundOrder order = strategy.Order(state, _plan.Work);
        ModelOrder said = new()
        {
            Invited = { invited }, Parameters = { order.Parameters }, Control = { order.Control ?? [] }, Means = { checkpoint.Means }, Deviations = { checkpoint.Deviations },
            Clip = order.Clip ?? 0, Taken = { checkpoint.Taken }, Counted = { Counted() },
        };
        (ServerState after, RoundSummary summary, uint[] counted) = Spec.IsSecure
            ? await SumAsync((SumStrategy)strategy, state, said, round, invited, cancellationToken)
            : await UpdatesAsync(strategy, state, said, round, invited, cancellationToken);
        summary.Movement = CarriedState.Movement(state, after);
        summary.Epsilon = _plan.Privacy?.PartyEpsilon((int)round) ?? 0;
        checkpoint.Converged = Spec.Tolerance > 0 && summary.Movement <= Spec.Tolerance;
        CarriedState.Keep(checkpoint, after);
        Replace(checkpoint.Taken, counted);
        while (checkpoint.Counted.Count < _all.Length)
            checkpoint.Counted.Add(0);
        foreach (uint place in counted)
            checkpoint.Counted[(int)place - 1] = round;
        checkpoint.Invited.Clear();
        Conclude(summary);
        await SaveAsync(cancellationToken);
        await tree.ConcludeAsync(round, cancellationToken);
    }

    private async Task<(ServerState State, RoundSummary Summary, uint[] Counted)> UpdatesAsync(
        AggregationStrategy strategy, ServerState state, ModelOrder order, uint round, uint[] invited, CancellationToken cancellationToken)
    {
        int length = state.Parameters.Length / _plan.Models;
        Dictionary<int, int> choices = [];
        UpdateLimits limits = new(length, state.Round, double.PositiveInfinity, MostRows, _plan.Work.StepLimit, strategy.UsesControl) { Work = strategy.Prepare(_plan.Work) };
        RoundInbox inbox = new(limits, invited.Select(place => (int)place - 1));
        Question question = new(
            RoundStep.ModelOrder, round, checkpoint.Attempt, invited, _ => order, IsForAll: true, RoundStep.ModelUpdate,
            Math.Min(Spec.ClientsPerRound, invited.Length), Math.Min(Spec.MinimumClients, invited.Length), Spec.RoundDeadline);
        IReadOnlyList<uint> counted = await conversation.AskAsync(question, Take, cancellationToken);
        IReadOnlyList<ClientUpdate> updates = inbox.Close(1);
        RoundSummary summary = Summary(round, invited, counted);
        Aggregated aggregated = _plan.Models == 1 ? strategy.Aggregate(state, updates, _all.Length) : ByCluster();
        foreach (Outlier outlier in aggregated.Outliers)
            summary.Outliers.Add(new RoundNote { Party = conversation.NameOf((uint)outlier.Client + 1), Reason = outlier.Reason });
        if (updates.All(update => update.LossBefore is not null))
        {
            summary.HasLoss = true;
            summary.Loss = updates.Sum(update => update.Examples * update.LossBefore!.Value) / updates.Sum(update => update.Examples);
        }

        return (aggregated.State, summary, [.. counted]);

        void Take(RoundEnvelope envelope)
        {
            ClientUpdate update = UpdateReader.Read(_plan, envelope, state.Round, length, out int cluster);
            inbox.Take(update);
            choices[update.Client] = cluster;
        }

        Aggregated ByCluster()
        {
            IReadOnlyList<ServerState> next = new Clusters(strategy).Aggregate(
                Clusters.Split(state, _plan.Models), [.. updates.Select(update => (choices[update.Client], update))], _all.Length);
            summary.Clusters.AddRange(Enumerable.Range(0, _plan.Models).Select(model => (uint)choices.Values.Count(choice => choice == model)));
            return new Aggregated(Clusters.Join(next), []);
        }
    }

    private async Task<(ServerState State, RoundSummary Summary, uint[] Counted)> SumAsync(
        SumStrategy strategy, ServerState state, ModelOrder order, uint round, uint[] invited, CancellationToken cancellationToken)
    {
        // Behind the strategy's own numbers, but under privacy: rows times loss, and rows.
        SecureSumPlan plan = PlanOf((int)round, invited.Length, _plan.SumLength(strategy, state.Parameters.Length));
        order.Threshold = (uint)plan.Threshold;
        SecureSumRun run = new(conversation, plan, invited, round, checkpoint.Attempt, Spec.RoundDeadline);
        (ulong[] masked, uint[] counted) = await run.RunAsync(RoundStep.ModelOrder, order, cancellationToken);
        double[] sum = _plan.Encoding.Decode(masked);
        ServerState after = strategy.Apply(state, sum.AsSpan(0, strategy.ContributionLength(state.Parameters.Length)), counted.Length, _all.Length);
        RoundSummary summary = Summary(round, invited, counted);
        if (_plan.TellsLoss && sum[^1] >= 1)
        {
            summary.HasLoss = true;
            summary.Loss = sum[^2] / sum[^1];
        }

        return (after, summary, counted);
    }

    private async Task FinishAsync(CancellationToken cancellationToken)
    {
        checkpoint.Finished = true;
        await BeginAsync(cancellationToken);
        FinalModel model = new()
        {
            Rounds = checkpoint.Rounds, Converged = checkpoint.Converged, Parameters = { checkpoint.Parameters }, Means = { checkpoint.Means }, Deviations = { checkpoint.Deviations },
            Taken = { checkpoint.Taken }, Counted = { Counted() },
        };
        uint[] left = [.. _all.Where(place => !conversation.Outcomes.ContainsKey(place))];
        Question question = new(
            RoundStep.FinalModel, 0, checkpoint.Attempt, left, _ => model, IsForAll: true, RoundStep.Unspecified, left.Length, 0, job.Deadline);
        await conversation.WaitForOutcomesAsync(left, question, cancellationToken);
    }

    /// <summary>By place: the last round in which the party's update counted. None has before the first round ends, and under an asynchronous strategy none is told of.</summary>
    private IEnumerable<uint> Counted() => Enumerable.Range(0, _all.Length).Select(party => checkpoint.Counted.ElementAtOrDefault(party));

    /// <summary>Kept before the round begins: each of its attempts has the same parties, whoever is connected by then.</summary>
    private uint[] Invite(uint round)
    {
        if (checkpoint.Invited.Count == 0)
        {
            using RandomStream stream = _streams.For("selection", round, RandomStreams.Server);
            Replace(checkpoint.Invited, Invitations.Of(_plan, checkpoint.Rows, place => !conversation.Outcomes.ContainsKey(place), conversation.IsConnected, stream));
        }

        uint[] invited = [.. checkpoint.Invited.Where(place => !conversation.Outcomes.ContainsKey(place))];
        int least = _plan.FewestIn(round);
        return invited.Length >= Math.Max(1, least)
            ? invited
            : throw new VertFedException(ErrorCode.PeerUnavailable, $"Round {round} needs {least} parties; {invited.Length} of those it would invite are left.")
            {
                Step = nameof(RoundStep.ModelOrder),
            };
    }

    private SecureSumPlan PlanOf(int round, int roster, int length)
    {
        SecureSumPlan plan = SecureSumPlan.For(round, roster, length);
        return plan with { Threshold = Math.Max(plan.Threshold, _plan.FewestIn((uint)round)) };
    }

    private RoundSummary Summary(uint round, IEnumerable<uint> invited, IEnumerable<uint> counted) => new()
    {
        Round = round, Attempts = checkpoint.Attempt, Invited = { invited.Select(conversation.NameOf) }, Counted = { counted.Select(conversation.NameOf) },
    };

    private void Conclude(RoundSummary summary)
    {
        summary.Refusals.AddRange(conversation.TakeCounts(out ulong up, out ulong down));
        (summary.BytesUp, summary.BytesDown) = (up, down);
        checkpoint.Summaries.Add(summary);
        Concluded(summary);
        checkpoint.Attempt = 0;
    }

    // An attempt is counted before it is begun: after a crash nothing of it is mistaken for the next one's.
    private Task BeginAsync(CancellationToken cancellationToken)
    {
        checkpoint.Attempt++;
        return SaveAsync(cancellationToken);
    }

    private async Task SaveVersionAsync(CancellationToken cancellationToken)
    {
        await SaveAsync(cancellationToken);
        // Where the final model is in the record already, the checkpoint to cut is the one that closes it.
        if (checkpoint.Rounds > 0 && !checkpoint.Finished)
            await tree.ConcludeAsync(checkpoint.Rounds, cancellationToken);
    }

    private async Task SaveAsync(CancellationToken cancellationToken)
    {
        await store.SaveRoundCheckpointAsync(job.Job, checkpoint.Clone(), cancellationToken);

        // They are kept now, once. Where the write failed the job is taken up from the store, with those that it has.
        checkpoint.Summaries.Clear();
    }

    private static void Replace<T>(Google.Protobuf.Collections.RepeatedField<T> field, T[] values)
    {
        field.Clear();
        field.AddRange(values);
    }
}
