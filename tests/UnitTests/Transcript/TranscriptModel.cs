using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.UnitTests.Transcript;

/// <summary>An entry whose parts can be changed alone.</summary>
internal sealed class ModelEntry(byte[] core, byte[] attestation, byte[] payload)
{
    public byte[] Core { get; set; } = core;

    public byte[] Attestation { get; set; } = attestation;

    public byte[] Payload { get; set; } = payload;

    /// <summary>Written as its payload records; null: the payload cut as the format asks.</summary>
    public IReadOnlyList<byte[]>? Parts { get; set; }

    public EnvelopeHeader Header => EnvelopeHeader.Parser.ParseFrom(EnvelopeCore.Parser.ParseFrom(Core).Header);

    public ModelEntry Clone() => new([.. Core], [.. Attestation], [.. Payload]);
}

/// <summary>
/// A transcript taken apart, with every key that made it, so that a test can change one thing and make good what its author could make
/// good. It writes the file by itself, unchecked, as docs/transcript-format.md says.
/// </summary>
internal sealed class TranscriptModel(TranscriptKeys keys, TranscriptHeader header, List<ModelEntry> entries)
{
    public TranscriptKeys Keys { get; } = keys;

    public TranscriptHeader Header { get; } = header;

    public List<ModelEntry> Entries { get; } = entries;

    public List<(Phase Phase, byte[] Note)> Checkpoints { get; } = [];

    public List<byte[]> Deliveries { get; } = [];

    /// <summary>Roles that co-sign.</summary>
    public List<Role> CoSigners { get; } = [Role.LabelParty, Role.FeatureParty];

    /// <summary>Who signs the trailer; null: the coordinator.</summary>
    public Identity? TrailerSigner { get; set; }

    /// <summary>Phases that both parties have left behind, of those that the entries show.</summary>
    public Phase LastPhase { get; set; } = Phase.Close;

    /// <summary>Index of the nth entry of a step.</summary>
    public int Index(Step step, Role sender, uint round = 0, int nth = 0) =>
        Entries.FindIndex(entry => entry.Header is { } found && found.Step == step && found.Sender == sender && found.Round == round && nth-- == 0);

    public ModelEntry Find(Step step, Role sender, uint round = 0, int nth = 0) => Entries[Index(step, sender, round, nth)];

    /// <summary>The sender's next entry in canonical order.</summary>
    public int NextOf(Role sender, int after) => Entries.FindIndex(after + 1, entry => entry.Header.Sender == sender);

    /// <summary>The sender makes an entry anew and everything after it, with its own key: what a party can do by itself.</summary>
    public void Remake(Role sender, ulong sequence, Action<EnvelopeHeader>? change = null, byte[]? payload = null, bool remove = false)
    {
        List<ModelEntry> own = [.. Entries.Where(entry => entry.Header.Sender == sender).OrderBy(entry => entry.Header.Sequence)];
        if (remove)
        {
            Entries.Remove(own[(int)sequence]);
            own.RemoveAt((int)sequence);
        }

        byte[] previous = sequence == 0 ? new byte[32] : SHA256.HashData(own[(int)sequence - 1].Core);
        for (int i = (int)sequence; i < own.Count; i++)
        {
            EnvelopeHeader made = own[i].Header;
            made.Sequence = (ulong)i;
            made.PreviousCoreHash = ByteString.CopyFrom(previous);
            if ((ulong)i == sequence && !remove)
            {
                change?.Invoke(made);
                own[i].Payload = payload ?? own[i].Payload;
            }

            Sign(own[i], made, Keys.Identity(sender));
            previous = SHA256.HashData(own[i].Core);
        }
    }

    /// <summary>Makes core and attestation of an entry from a header and its payload.</summary>
    public static void Sign(ModelEntry entry, EnvelopeHeader header, Identity signer, long time = 1_700_000_000_000)
    {
        ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), entry.Payload);
        entry.Core = core.ToByteArray();
        entry.Attestation = EnvelopeCodec.Attest(core, signer, time).ToByteArray();
    }

    public void SortCanonically() => Entries.Sort((x, y) => CanonicalOrder.Instance.Compare(x.Header, y.Header));

    /// <summary>Makes all checkpoints anew, signed by all who sign: what all three could do together.</summary>
    public void RemakeCheckpoints()
    {
        Header.Entries = (ulong)Entries.Count;
        Checkpoints.Clear();
        for (Phase phase = Phase.Session; phase <= LastPhase; phase++)
        {
            Checkpoints.Add((phase, Note(phase)));
        }
    }

    /// <summary>The signed and co-signed note of a phase's end.</summary>
    public byte[] Note(Phase phase)
    {
        MerkleTree tree = new();
        foreach (ModelEntry entry in Entries.Where(entry => entry.Header.Phase <= phase))
        {
            tree.Append(entry.Core);
        }

        byte[] note = CheckpointNotes.Sign(
            new Checkpoint(CheckpointNotes.OriginOf(Header.Job, Header.Attempt), tree.Size, tree.Root()), Keys.CoordinatorSigner);
        foreach (Role role in CoSigners)
        {
            note = CoSign(note, role);
        }

        return note;
    }

    public byte[] CoSign(byte[] note, Role role)
    {
        CheckpointSigner signer = Keys.Signer(role);
        return CheckpointNotes.AddCoSignature(note, Keys.Name(role), signer.Verifier, CheckpointNotes.CoSign(note, signer, TranscriptKeys.Time));
    }

    /// <summary>A deep copy with the same keys.</summary>
    public TranscriptModel Clone()
    {
        TranscriptModel copy = new(Keys, Header.Clone(), [.. Entries.Select(entry => entry.Clone())]) { LastPhase = LastPhase };
        copy.Checkpoints.AddRange(Checkpoints.Select(checkpoint => (checkpoint.Phase, (byte[])[.. checkpoint.Note])));
        copy.Deliveries.AddRange(Deliveries);
        return copy;
    }

    public byte[] Write()
    {
        using MemoryStream file = new();
        file.Write([0x89, 0x56, 0x46, 0x54, 0x0d, 0x0a, 0x1a, 0x0a]);
        Record(file, 1, Header.ToByteArray());
        foreach (ModelEntry entry in Entries)
        {
            Record(file, 2, new TranscriptEntry { Core = ByteString.CopyFrom(entry.Core), Attestation = ByteString.CopyFrom(entry.Attestation) }.ToByteArray());
            bool kept = Header.Payloads == Payloads.Full || PhaseGrammar.Find(entry.Header.Step) is { Sealed: false };
            foreach (byte[] part in entry.Parts ?? (kept ? [.. entry.Payload.Chunk(1 << 20)] : []))
            {
                Record(file, 3, part);
            }
        }

        foreach ((Phase phase, byte[] note) in Checkpoints)
        {
            Record(file, 4, new TranscriptCheckpoint { Phase = phase, Note = ByteString.CopyFrom(note) }.ToByteArray());
        }

        foreach (byte[] part in Deliveries)
        {
            Record(file, 5, part);
        }

        byte[] hash = SHA256.HashData(file.ToArray());
        byte[] signature = (TrailerSigner ?? Keys.Coordinator).Sign([.. "vertfed/v1/transcript-file"u8, .. hash]);
        Record(
            file,
            6,
            new TranscriptTrailer { FileHash = ByteString.CopyFrom(hash), Signature = ByteString.CopyFrom(LowSignature.Normalise(signature)) }.ToByteArray());
        return file.ToArray();
    }

    public static void Record(Stream file, byte type, byte[] body)
    {
        Span<byte> head = stackalloc byte[9];
        head[0] = type;
        BinaryPrimitives.WriteInt64BigEndian(head[1..], body.Length);
        file.Write(head);
        file.Write(body);
    }
}
