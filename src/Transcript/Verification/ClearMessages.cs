using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>The three messages that travel in the clear, held to the job spec and to each other.</summary>
internal sealed class ClearMessages(TranscriptContext context)
{
    /// <summary>Longest of them, in bytes.</summary>
    public const int MaxBytes = 4096;

    private const int NonceBytes = 32;
    private readonly Dictionary<Role, Commitment> _commitments = [];

    /// <summary>What a party committed to at the start; null: the file does not have it.</summary>
    public Commitment? CommitmentOf(Role role) => _commitments.GetValueOrDefault(role);

    /// <summary>Parses a payload in the clear and checks its fields.</summary>
    /// <exception cref="RuleBrokenException">A field is malformed or is not what it has to be.</exception>
    public void Take(EntryView entry, ReadOnlySpan<byte> payload)
    {
        switch (entry.Header.Step)
        {
            case Step.KeyExchange:
                Check(entry, Parse(KeyExchange.Parser, entry, payload));
                break;
            case Step.Commitment:
                Check(entry, Parse(Commitment.Parser, entry, payload));
                break;
            case Step.ResultCommitment:
                Check(entry, Parse(ResultCommitment.Parser, entry, payload));
                break;
            default:
                throw entry.Broken(Rules.EntryFormat, "No message in the clear belongs to this step.");
        }
    }

    private static T Parse<T>(MessageParser<T> parser, EntryView entry, ReadOnlySpan<byte> payload)
        where T : class, IMessage<T>
    {
        try
        {
            return StrictParser.Parse(parser, payload, MaxBytes, entry.Name);
        }
        catch (VertFedException e)
        {
            throw entry.Broken(Rules.EntryFormat, e.Message, inner: e);
        }
    }

    private void Check(EntryView entry, KeyExchange message)
    {
        entry.Require(message.Nonce.Length == NonceBytes, Rules.KeyExchange, $"The nonce has {message.Nonce.Length} bytes, not {NonceBytes}.");
        entry.Require(
            message.IdentityKey.Span.SequenceEqual(context.KeyOf(entry.Header.Sender).Identity.SubjectPublicKeyInfo),
            Rules.KeyExchange,
            "The identity key is not the one whose fingerprint the job spec names.");
        try
        {
            _ = PeerIdentity.Parse(message.EphemeralKey.Span);
        }
        catch (VertFedException e)
        {
            throw entry.Broken(Rules.KeyExchange, $"The ephemeral key is no P-256 point: {e.Message}", inner: e);
        }
    }

    private void Check(EntryView entry, Commitment message)
    {
        Role other = entry.Header.Sender.Other();
        RequireHash(entry, message.Policy, Rules.Commitment, "policy commitment");
        RequireHash(entry, message.Seed, Rules.Commitment, "seed commitment");
        RequireHash(entry, message.RowsRoot, Rules.Commitment, "root of the rows");
        entry.Require(message.Rows <= Limits.MaxRows, Rules.Commitment, $"{message.Rows} rows are more than a party may bring.");
        entry.Require(
            message.SpecHash.Span.SequenceEqual(context.Job.SpecHash),
            Rules.Commitment,
            $"'{entry.Party}' accepted the job spec {Convert.ToHexStringLower(message.SpecHash.Span)}; the transcript's is {Convert.ToHexStringLower(context.Job.SpecHash)}.");
        entry.Require(
            message.SoftwareVersion.Length is > 0 and <= SoftwareVersion.MaxLength && message.SoftwareVersion.All(c => c is > ' ' and <= '~'),
            Rules.Commitment,
            "The software version is not 1 to 128 printable ASCII characters.");
        if (_commitments.TryGetValue(other, out Commitment? first))
        {
            entry.Require(
                SoftwareVersion.ReleaseOf(first.SoftwareVersion) == SoftwareVersion.ReleaseOf(message.SoftwareVersion),
                Rules.Commitment,
                $"'{entry.Party}' ran the release {SoftwareVersion.ReleaseOf(message.SoftwareVersion)}, its peer {SoftwareVersion.ReleaseOf(first.SoftwareVersion)}.");
        }

        _commitments[entry.Header.Sender] = message;
    }

    private static void Check(EntryView entry, ResultCommitment message)
    {
        RequireHash(entry, message.Coefficients, Rules.ResultCommitment, "commitment to the coefficients");
        RequireHash(entry, message.AlignedIds, Rules.ResultCommitment, "commitment to the aligned ids");
        RequireHash(entry, message.Metrics, Rules.ResultCommitment, "commitment to the metrics");
    }

    private static void RequireHash(EntryView entry, ByteString value, string rule, string what) =>
        entry.Require(value.Length == EnvelopeCodec.HashBytes, rule, $"The {what} is not {EnvelopeCodec.HashBytes} bytes.");
}
