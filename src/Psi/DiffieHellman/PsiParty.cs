using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.Group;
using VertFed.Psi.Ids;

namespace VertFed.Psi.DiffieHellman;

/// <summary>
/// One party of the symmetric private set intersection by Diffie-Hellman (C. Meadows, 1986; B. Huberman, M. Franklin, T. Hogg,
/// 1999), over ristretto255. Both parties run the same code. With x the own ids, y the peer's, a and b the secret scalars,
/// and H the hash to the group:
/// <list type="number">
/// <item>BlindedIds: each sends its elements a·H(x) in a secret random order, in parts. Nothing is awaited in between.</item>
/// <item>EvaluatedIds: each multiplies what it receives by its own scalar and returns it, part by part, in the order received.
/// Now each knows a·b·H(x) for its own ids and a·b·H(y) for the peer's positions, and finds what is equal.</item>
/// <item>AlignmentDigest: the rows in common are sorted by a hash of a·b·H(x), and each sends the hash of all. They differ only
/// if a party broke the protocol.</item>
/// </list>
/// </summary>
/// <remarks>
/// <para>Each party learns the ids in common and how many ids the other one has; docs/psi.md says what that means and what a
/// party that departs from the protocol could learn.</para>
/// <para>Randomness comes from the channel alone: the same seed, ids and messages give the same bytes whatever the processor
/// and the number of threads. Transfer overlaps with computing because <see cref="IChannel.SendAsync"/> only queues.</para>
/// </remarks>
public sealed class PsiParty
{
    /// <summary>Most elements in one message: 2 MiB.</summary>
    public const int PartElements = ElementSet.PartElements;

    private const int ElementBytes = RistrettoBatch.ElementBytes;
    private const uint Round = 0;
    private readonly IChannel _channel;
    private readonly int _maxThreads;

    /// <param name="channel">The conversation with the peer.</param>
    /// <param name="maxThreads">Most threads that compute at once, or −1 for one a processor.</param>
    /// <exception cref="ArgumentOutOfRangeException">No thread.</exception>
    public PsiParty(IChannel channel, int maxThreads = -1)
    {
        ArgumentNullException.ThrowIfNull(channel);
        if (maxThreads is 0 or < -1)
        {
            throw new ArgumentOutOfRangeException(nameof(maxThreads), maxThreads, "At least one thread, or -1 for all.");
        }

        _channel = channel;
        _maxThreads = maxThreads < 0 ? Environment.ProcessorCount : maxThreads;
    }

    /// <summary>Finds the ids in common with the peer, who runs the same.</summary>
    /// <param name="ids">Normalised ids (<see cref="IdList.Ids"/>), each once. An empty list is allowed.</param>
    /// <param name="progress">Told after every part.</param>
    /// <param name="cancellationToken">Stops between messages and inside long computations.</param>
    /// <returns>The rows in common, possibly none.</returns>
    /// <exception cref="VertFedException">
    /// <see cref="ErrorCode.BadInput"/>: an own id is empty, too long or there twice; nothing was sent.
    /// <see cref="ErrorCode.ProtocolViolation"/>: the peer sent something that no honest party sends.
    /// </exception>
    public async Task<Alignment> AlignAsync(
        IReadOnlyList<string> ids,
        IProgress<AlignmentProgress>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(ids);
        Check(ids);
        using Scalar exponent = DrawExponent();
        BlindingKernel kernel = new(exponent, _maxThreads);
        int[] order = DrawOrder(ids.Count);

        await SendBlindedAsync(ids, order, kernel, progress, cancellationToken);
        ElementSet peerElements = await AnswerPeerAsync(kernel, progress, cancellationToken);
        AlignedRows aligned = await MatchAsync(order, peerElements, kernel, progress, cancellationToken);
        (int[] rows, byte[] digest) = aligned.Sort();
        await AgreeAsync(rows.Length, digest, cancellationToken);
        return new Alignment(rows, ids.Count, peerElements.Count, digest);
    }

    private static void Check(IReadOnlyList<string> ids)
    {
        if (ids.Count > Limits.MaxRows)
        {
            throw PsiError.Input($"There are {ids.Count} ids; at most {Limits.MaxRows} are allowed.");
        }

        HashSet<string> seen = new(ids.Count, StringComparer.Ordinal);
        for (int i = 0; i < ids.Count; i++)
        {
            IdText.Check(ids[i], i);
            if (ids[i].Length == 0 || !seen.Add(ids[i]))
            {
                throw PsiError.Input($"The id at position {i + 1} is empty or there already.");
            }
        }
    }

    private static int PartsOf(long total) => (int)Math.Max(1, (total + PartElements - 1) / PartElements);

    private Scalar DrawExponent()
    {
        using RandomStream stream = _channel.DeriveSecret("align/exponent", Step.BlindedIds, Round);
        return Scalar.Random(stream);
    }

    /// <summary>A uniform permutation (R. Durstenfeld, 1964): place i of the sent list holds id number order[i].</summary>
    private int[] DrawOrder(int count)
    {
        using RandomStream stream = _channel.DeriveSecret("align/order", Step.BlindedIds, Round);
        int[] order = new int[count];
        for (int i = 0; i < count; i++)
        {
            int j = (int)stream.NextBelow((ulong)i + 1);
            order[i] = order[j];
            order[j] = i;
        }

        return order;
    }

    private ElementSet NewSet(long index)
    {
        using RandomStream stream = _channel.DeriveSecret("align/table", Step.EvaluatedIds, Round, index);
        return new ElementSet(stream);
    }

    private async Task SendBlindedAsync(
        IReadOnlyList<string> ids,
        int[] order,
        BlindingKernel kernel,
        IProgress<AlignmentProgress>? progress,
        CancellationToken cancellationToken)
    {
        for (int part = 0; part < PartsOf(order.Length); part++)
        {
            int offset = part * PartElements;
            int count = Math.Min(PartElements, order.Length - offset);
            byte[] elements = kernel.Blind(ids, order.AsMemory(offset, count), cancellationToken);
            BlindedIds message = new()
            {
                Total = (ulong)order.Length,
                Offset = (ulong)offset,
                Elements = UnsafeByteOperations.UnsafeWrap(elements),
            };
            await _channel.SendAsync(Step.BlindedIds, Round, message, cancellationToken);
            progress?.Report(new AlignmentProgress(Step.BlindedIds, offset + count, order.Length));
        }
    }

    /// <summary>Receives, checks, multiplies and returns the peer's elements; gives them multiplied, numbered by their position.</summary>
    private async Task<ElementSet> AnswerPeerAsync(
        BlindingKernel kernel,
        IProgress<AlignmentProgress>? progress,
        CancellationToken cancellationToken)
    {
        ElementSet evaluated = NewSet(0);
        long total = 0;
        for (int part = 0; part == 0 || evaluated.Count < total; part++)
        {
            BlindedIds received =
                await _channel.ReceiveAsync(Step.BlindedIds, Round, BlindedIds.Parser, cancellationToken);
            total = CheckTotal(received.Total, part == 0 ? null : total);
            CheckPart(Step.BlindedIds, received.Offset, received.Elements.Length, evaluated.Count, total);
            byte[] elements = new byte[received.Elements.Length];
            int bad = kernel.Evaluate(received.Elements.Memory, elements, cancellationToken);
            CheckElement(Step.BlindedIds, bad, evaluated.Count);
            // Multiplication by a scalar is one-to-one: equal products mean equal elements received.
            int offset = evaluated.Count;
            int repeated = evaluated.Add(elements);
            CheckRepeated(Step.BlindedIds, repeated, offset);
            EvaluatedIds reply = new() { Offset = (ulong)offset, Elements = UnsafeByteOperations.UnsafeWrap(elements) };
            await _channel.SendAsync(Step.EvaluatedIds, Round, reply, cancellationToken);
            progress?.Report(new AlignmentProgress(Step.EvaluatedIds, evaluated.Count, total));
        }

        return evaluated;
    }

    /// <summary>Receives the own elements multiplied by the peer and looks each up among the peer's.</summary>
    private async Task<AlignedRows> MatchAsync(
        int[] order,
        ElementSet peerElements,
        BlindingKernel kernel,
        IProgress<AlignmentProgress>? progress,
        CancellationToken cancellationToken)
    {
        ElementSet own = NewSet(1);
        AlignedRows aligned = new();
        for (int part = 0; part < PartsOf(order.Length); part++)
        {
            EvaluatedIds received =
                await _channel.ReceiveAsync(Step.EvaluatedIds, Round, EvaluatedIds.Parser, cancellationToken);
            int offset = own.Count;
            CheckPart(Step.EvaluatedIds, received.Offset, received.Elements.Length, offset, order.Length);
            CheckElement(Step.EvaluatedIds, kernel.FindInvalid(received.Elements.Memory, cancellationToken), offset);
            int repeated = own.Add(received.Elements.ToByteArray());
            CheckRepeated(Step.EvaluatedIds, repeated, offset);
            for (int i = offset; i < own.Count; i++)
            {
                if (peerElements.Find(own[i]) >= 0)
                {
                    aligned.Add(order[i], own[i]);
                }
            }

            progress?.Report(new AlignmentProgress(Step.AlignmentDigest, own.Count, order.Length));
        }

        return aligned;
    }

    private async Task AgreeAsync(int rows, byte[] digest, CancellationToken cancellationToken)
    {
        AlignmentDigest mine = new() { Rows = (ulong)rows, Digest = UnsafeByteOperations.UnsafeWrap(digest) };
        await _channel.SendAsync(Step.AlignmentDigest, Round, mine, cancellationToken);
        AlignmentDigest theirs =
            await _channel.ReceiveAsync(Step.AlignmentDigest, Round, AlignmentDigest.Parser, cancellationToken);
        if (theirs.Rows != mine.Rows)
        {
            throw PsiError.Violation(
                Step.AlignmentDigest,
                $"the peer found {theirs.Rows} rows in common, this party {mine.Rows}.");
        }

        if (!theirs.Digest.Span.SequenceEqual(digest))
        {
            throw PsiError.Violation(Step.AlignmentDigest, "the peer found other rows in common than this party.");
        }
    }

    private static long CheckTotal(ulong announced, long? before)
    {
        if (announced > (ulong)Limits.MaxRows)
        {
            throw PsiError.Violation(
                Step.BlindedIds,
                $"the peer announces {announced} ids; at most {Limits.MaxRows} are allowed.");
        }

        if (before is not null && (ulong)before.Value != announced)
        {
            throw PsiError.Violation(
                Step.BlindedIds,
                $"the peer announced {before.Value} ids before and {announced} now.");
        }

        return (long)announced;
    }

    /// <summary>Parts come in order, and every part but the last is full.</summary>
    private static void CheckPart(Step step, ulong offset, int bytes, int expectedOffset, long total)
    {
        if (offset != (ulong)expectedOffset)
        {
            throw PsiError.Violation(step, $"the part starts at {offset}, not at {expectedOffset}.");
        }

        long expectedBytes = Math.Min(PartElements, total - expectedOffset) * ElementBytes;
        if (bytes != expectedBytes)
        {
            throw PsiError.Violation(step, $"the part from {expectedOffset} has {bytes} bytes, not {expectedBytes}.");
        }
    }

    private static void CheckElement(Step step, int bad, int offset)
    {
        if (bad >= 0)
        {
            throw PsiError.Violation(
                step,
                $"element {offset + bad} is not the canonical encoding of a group element other than the identity.");
        }
    }

    private static void CheckRepeated(Step step, int repeated, int offset)
    {
        if (repeated >= 0)
        {
            throw PsiError.Violation(step, $"element {offset + repeated} was there before.");
        }
    }
}
