using Google.Protobuf;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.UnitTests.Transcript;

/// <summary>How a model is changed, and made good by who could.</summary>
internal static partial class Tamperings
{
    /// <summary>All three make their signatures good.</summary>
    private static (byte[] File, long? Index) All3(TranscriptModel model, ModelEntry named)
    {
        model.SortCanonically();
        model.RemakeCheckpoints();
        return (model.Write(), model.Entries.IndexOf(named));
    }

    private static void RewriteHistory(TranscriptModel model) =>
        model.Remake(Retailer, model.Find(Step.KeyExchange, Retailer).Header.Sequence + 2, payload: new byte[200]);

    private static Tampering At(string name, string rule, string party, Action<ModelEntry> change) => new(name, rule, party, model =>
    {
        int index = model.Index(Step.ResidualShare, Bank, 2);
        change(model.Entries[index]);
        return (model.Write(), index);
    });

    private static Tampering Core(string name, string rule, string party, Action<EnvelopeHeader> change) => At(name, rule, party, entry =>
    {
        EnvelopeHeader header = entry.Header;
        change(header);
        Change(entry, core => core.Header = header.ToByteString());
    });

    private static Tampering Message<T>(string name, string rule, string party, Step step, Role sender, MessageParser<T> parser, Action<T> change)
        where T : class, IMessage<T> => new(name, rule, party, model => All3(model, Rewrite(model, step, sender, parser, change)));

    private static ModelEntry Rewrite<T>(TranscriptModel model, Step step, Role sender, MessageParser<T> parser, Action<T> change)
        where T : class, IMessage<T>
    {
        ModelEntry entry = model.Find(step, sender);
        T message = parser.ParseFrom(entry.Payload);
        change(message);
        model.Remake(sender, entry.Header.Sequence, payload: message.ToByteArray());
        return entry;
    }

    /// <summary>A sealed message of another size: what is inside nobody can tell.</summary>
    private static Tampering Sized(string name, Step step, Role sender, uint round, int bytes, Step named) => new(
        name, Rules.Counts, sender == Bank ? "bank" : "retailer", model =>
        {
            model.Remake(sender, model.Find(step, sender, round).Header.Sequence, payload: new byte[bytes]);
            return All3(model, model.Find(named, sender, round));
        });

    private static Tampering Note(string name, string rule, string party, Func<TranscriptModel, byte[], byte[]> change) => new(name, rule, party, model =>
    {
        model.Checkpoints[2] = (Phase.Train, change(model, model.Checkpoints[2].Note));
        return (model.Write(), null);
    });

    private static Tampering Header(string name, string rule, string party, Action<TranscriptModel> change) => new(name, rule, party, model =>
    {
        change(model);
        return (model.Write(), null);
    });

    private static Tampering File(string name, string rule, string party, Func<byte[], byte[]> change) =>
        new(name, rule, party, model => (change(model.Write()), null));

    private static void Fail(TranscriptModel model)
    {
        model.Header.State = JobState.Failed;
        model.Header.Error = new JobError { Code = "Internal", Party = "bank", Message = "x" };
    }

    private static void Change(ModelEntry entry, Action<EnvelopeCore> change)
    {
        EnvelopeCore core = EnvelopeCore.Parser.ParseFrom(entry.Core);
        change(core);
        entry.Core = core.ToByteArray();
    }

    private static void ChangeAttestation(ModelEntry entry, Action<Attestation> change)
    {
        Attestation attestation = Attestation.Parser.ParseFrom(entry.Attestation);
        change(attestation);
        entry.Attestation = attestation.ToByteArray();
    }

    private static byte[] ChangeLine(byte[] note, int line, Action<byte[]> change)
    {
        SignedNote parsed = SignedNote.Parse(note);
        List<NoteSignature> lines = [.. parsed.Signatures];
        byte[] signature = [.. lines[line].Signature];
        change(signature);
        lines[line] = lines[line] with { Signature = signature };
        return SignedNote.Write(parsed.Text, lines);
    }

    /// <summary>A trailer has 100 bytes: two fields with two bytes of tag and length each.</summary>
    private static byte[] ChangeTrailer(byte[] file, Action<TranscriptTrailer> change)
    {
        TranscriptTrailer trailer = TranscriptTrailer.Parser.ParseFrom(file.AsSpan(file.Length - 100));
        change(trailer);
        return [.. file[..^100], .. trailer.ToByteArray()];
    }

    private static byte[] Lengthened(byte[] file)
    {
        byte[] longer = [.. file, 0x78, 0x01];
        longer[file.Length - 101] = 102;
        return longer;
    }

    private static ByteString Other(ByteString signature)
    {
        System.Numerics.BigInteger order = new(
            Convert.FromHexString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"), isUnsigned: true, isBigEndian: true);
        System.Numerics.BigInteger s = new(signature.Span[32..], isUnsigned: true, isBigEndian: true);
        byte[] other = (order - s).ToByteArray(isUnsigned: true, isBigEndian: true);
        return ByteString.CopyFrom([.. signature.Span[..32], .. new byte[32 - other.Length], .. other]);
    }

    private static ByteString Flip(ByteString bytes)
    {
        byte[] flipped = bytes.ToByteArray();
        flipped[flipped.Length / 2] ^= 0x10;
        return ByteString.CopyFrom(flipped);
    }
}
