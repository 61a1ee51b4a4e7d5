using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>Any bytes either parse to a message that writes the same bytes, or are refused with a typed error.</summary>
public sealed class StrictParserTests
{
    private static readonly MessageDescriptor[] AllMessages =
    [
        .. EnvelopeReflection.Descriptor.MessageTypes,
        .. JobReflection.Descriptor.MessageTypes,
        .. StepsReflection.Descriptor.MessageTypes,
        .. ServicesReflection.Descriptor.MessageTypes,
    ];

    [Fact]
    public void Random_bytes_never_surprise_any_parser() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<byte[]>(),
            bytes => AllMessages.All(descriptor => HasOneReading(descriptor, bytes)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    [Fact]
    public void Altered_messages_never_surprise_any_parser() =>
        Prop.ForAll(
            Gen.Choose(0, 500).Two().Zip(Gen.Choose(0, 255)).ToArbitrary(),
            choice =>
            {
                ((int position, int kind), int value) = choice;
                foreach (IMessage sample in Samples())
                {
                    byte[] bytes = sample.ToByteArray();
                    int at = position % bytes.Length;
                    byte[] altered = (kind % 4) switch
                    {
                        0 => [.. bytes[..at], (byte)value, .. bytes[(at + 1)..]],
                        1 => [.. bytes[..at], (byte)value, .. bytes[at..]],
                        2 => [.. bytes[..at], .. bytes[(at + 1)..]],
                        _ => bytes[..at],
                    };
                    if (!HasOneReading(sample.Descriptor, altered))
                    {
                        return false;
                    }
                }

                return true;
            }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Messages_as_written_are_accepted()
    {
        foreach (IMessage sample in Samples())
        {
            Assert.Equal(sample, Parse(sample.Descriptor, sample.ToByteArray()));
        }
    }

    [Fact]
    public async Task Any_single_bit_that_flips_in_an_envelope_is_noticed()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        Identity signer = parties.Identity(Role.LabelParty);
        EnvelopeHeader header = new()
        {
            Job = parties.Job.Specification.Job,
            Attempt = 1,
            Sender = Role.LabelParty,
            Recipient = Role.FeatureParty,
            Phase = Phase.Session,
            Step = Step.KeyExchange,
            PreviousCoreHash = new byte[32].ToByteString(),
        };
        byte[] payload = new byte[40];
        ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), payload);
        byte[] whole = new Envelope { Core = core, Attestation = EnvelopeCodec.Attest(core, signer, 1234), Payload = payload.ToByteString() }.ToByteArray();
        Assert.True(Holds(whole));

        for (int bit = 0; bit < whole.Length * 8; bit++)
        {
            byte[] altered = [.. whole];
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Holds(altered), $"bit {bit}");
        }

        bool Holds(byte[] bytes)
        {
            try
            {
                EnvelopeView view = EnvelopeCodec.Parse(StrictParser.Parse(Envelope.Parser, bytes, 4096, "An envelope"));
                EnvelopeCodec.VerifyAttestation(view, signer.Public);
                return true;
            }
            catch (VertFedException e) when (e.Code == ErrorCode.ProtocolViolation)
            {
                return false;
            }
        }
    }

    [Fact]
    public void More_bytes_than_the_limit_are_refused_unread()
    {
        VertFedException refusal = Assert.Throws<VertFedException>(() => StrictParser.Parse(BlindedIds.Parser, new byte[11], 10, "Ids"));

        Assert.Equal("Ids has 11 bytes; at most 10 are allowed.", refusal.Message);
        Assert.Equal(ErrorCode.ProtocolViolation, refusal.Code);
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused() =>
        Assert.Equal(
            ErrorCode.ProtocolViolation,
            Assert.Throws<VertFedException>(() => StrictParser.Parse(PartyRef.Parser, [0x0a, 0x02, 0xc3, 0x28], 100, "Party")).Code);

    [Fact]
    public void No_message_has_a_map_field() =>
        Assert.DoesNotContain(AllMessages.SelectMany(message => message.Fields.InDeclarationOrder()), field => field.IsMap);

    private static bool HasOneReading(MessageDescriptor descriptor, byte[] bytes)
    {
        try
        {
            return Parse(descriptor, bytes).ToByteArray().AsSpan().SequenceEqual(bytes);
        }
        catch (VertFedException e) when (e.Code == ErrorCode.ProtocolViolation)
        {
            return true;
        }
    }

    /// <summary>Calls the generic parser for a message known by its descriptor.</summary>
    private static IMessage Parse(MessageDescriptor descriptor, byte[] bytes)
    {
        System.Reflection.MethodInfo method = typeof(StrictParserTests)
            .GetMethod(nameof(ParseAs), System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!
            .MakeGenericMethod(descriptor.ClrType);
        return method.CreateDelegate<Func<MessageDescriptor, byte[], IMessage>>()(descriptor, bytes);
    }

    private static IMessage ParseAs<T>(MessageDescriptor descriptor, byte[] bytes)
        where T : class, IMessage<T> => StrictParser.Parse((MessageParser<T>)descriptor.Parser, bytes, 1 << 20, descriptor.Name);

    private static IEnumerable<IMessage> Samples()
    {
        yield return InMemoryParties.DefaultSpec();
        yield return new LinkTables { Version = 1, Pairs = 2, RmsError = 0.5, Coefficients = { 1.5, -0.0, double.NaN, double.MaxValue }, Final = true };
        yield return new MaskedScalars { Values = { 0, 1, ulong.MaxValue } };
        yield return new PartialScores { Offset = 300, Scores = { -1, 0, int.MinValue } };
        yield return new ModelBinding { Model = new string('a', 32), TranscriptRoot = new byte[32].ToByteString() };
        yield return new ScoreShares { Offset = 8192, Shares = { 0, -1, int.MaxValue, int.MinValue } };
        yield return new TrainSetup { Columns = { "a", "b" }, Guards = { new GuardResult { Name = "rows", Limit = 1, Value = 2, Verdict = "pass" } }, MaxColumnNorm = 3 };
        yield return new LinkRequest { Block = 1, Ciphertexts = { new byte[5].ToByteString(), ByteString.Empty } };
        yield return new Attestation { TimeUnixMs = -1, Signature = new byte[64].ToByteString() };
    }
}
