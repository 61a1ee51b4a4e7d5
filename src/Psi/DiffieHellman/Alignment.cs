using VertFed.Protocol.V1;

namespace VertFed.Psi.DiffieHellman;

/// <summary>What both parties know after the alignment.</summary>
/// <param name="Rows">Indexes into the caller's list of ids: the ids in common, in the order that both parties share.</param>
/// <param name="OwnCount">How many ids this party brought.</param>
/// <param name="PeerCount">How many ids the peer brought.</param>
/// <param name="Digest">SHA-256 over the sorted tags of the rows in common; the same on both sides.</param>
public sealed record Alignment(int[] Rows, long OwnCount, long PeerCount, byte[] Digest);

/// <summary>How far a step of the alignment is.</summary>
/// <param name="Step">The step whose messages are being sent or received.</param>
/// <param name="Done">Ids done.</param>
/// <param name="Total">Ids in all.</param>
public readonly record struct AlignmentProgress(Step Step, long Done, long Total);
