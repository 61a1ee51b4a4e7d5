using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>Files changed at random, the same ones every time: no crash, no hang, and nothing that verifies.</summary>
public sealed class FuzzTests
{
    [Fact]
    public Task The_parser_survives_twenty_thousand_mutations() => ParseAsync(20_000, seed: 0);

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task The_parser_survives_a_million_mutations(int quarter) => ParseAsync(250_000, quarter);

    [Fact]
    public Task None_of_three_hundred_mutations_verifies() => VerifyAsync(300, seed: 0);

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task None_of_ten_thousand_mutations_verifies(int quarter) => VerifyAsync(2_500, quarter);

    private static async Task ParseAsync(int mutations, int seed)
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        model.Entries.RemoveRange(12, model.Entries.Count - 12);
        model.LastPhase = Phase.Session;
        model.RemakeCheckpoints();
        byte[] file = model.Write();
        Mutator mutator = new(seed);
        int whole = 0;
        int refused = 0;
        for (int i = 0; i < mutations; i++)
        {
            if (await ReadsAsync(mutator.Mutate(file)))
            {
                whole++;
            }
            else
            {
                refused++;
            }
        }

        // Both happen, so both ends of the parser are reached: a bit of a payload leaves the frame whole.
        Assert.InRange(whole, mutations / 20, mutations);
        Assert.InRange(refused, mutations / 20, mutations);
    }

    private static async Task VerifyAsync(int mutations, int seed)
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync(rounds: 1);
        using TranscriptKeys keys = model.Keys;
        byte[] file = model.Write();
        VerifyOptions pins = TranscriptFixture.Pins(model);
        Mutator mutator = new(1000 + seed);
        HashSet<string> rules = [];
        for (int i = 0; i < mutations; i++)
        {
            byte[] mutated = mutator.Mutate(file);
            Verdict verdict = await TranscriptFixture.VerifyAsync(mutated, pins);

            Assert.Equal(mutated.AsSpan().SequenceEqual(file), verdict.IsVerified);
            rules.Add(verdict.Failure?.Rule ?? "");
        }

        Assert.True(rules.Count > 8, string.Join(", ", rules));
    }

    /// <summary>Whether the file's frame is whole. Bodies are parsed too, but may be refused.</summary>
    private static async Task<bool> ReadsAsync(byte[] file)
    {
        using MemoryStream stream = new(file, writable: false);
        using TranscriptReader reader = new(stream);
        try
        {
            while (await reader.ReadAsync() is { } record)
            {
                TryParse(record);
            }

            return true;
        }
        catch (VertFedException e) when (e.Code == ErrorCode.DoesNotVerify)
        {
            return false;
        }
    }

    private static void TryParse(TranscriptRecord record)
    {
        ReadOnlySpan<byte> body = record.Body.Span;
        try
        {
            switch (record.Type)
            {
                case RecordType.Header:
                    _ = StrictParser.Parse(TranscriptHeader.Parser, body, TranscriptFormat.MaxHeaderBytes, "header");
                    break;
                case RecordType.Entry:
                    TranscriptEntry entry = StrictParser.Parse(TranscriptEntry.Parser, body, TranscriptFormat.MaxEntryBytes, "entry");
                    _ = EnvelopeCodec.Parse(entry.Core, entry.Attestation);
                    break;
                case RecordType.Checkpoint:
                    ByteString note = StrictParser.Parse(TranscriptCheckpoint.Parser, body, TranscriptFormat.MaxCheckpointBytes, "checkpoint").Note;
                    _ = Checkpoint.Parse(SignedNote.Parse(note.Span).Text);
                    break;
                case RecordType.Trailer:
                    _ = StrictParser.Parse(TranscriptTrailer.Parser, body, TranscriptFormat.MaxTrailerBytes, "trailer");
                    break;
            }
        }
        catch (VertFedException e) when (e.Code is ErrorCode.ProtocolViolation or ErrorCode.DoesNotVerify)
        {
            Assert.NotEmpty(e.Message);
        }
    }

    /// <summary>One to four changes of the kinds that files suffer.</summary>
    private sealed class Mutator(int seed)
    {
        private static readonly byte[] Telling = [0x00, 0x01, 0x7f, 0x80, 0xff, 2, 3, 4, 5, 6, 7];
        private readonly Random _random = new(seed);

        public byte[] Mutate(byte[] file)
        {
            byte[] mutated = file;
            for (int i = _random.Next(4); i >= 0; i--)
            {
                mutated = Once(mutated);
            }

            return mutated;
        }

        private byte[] Once(byte[] file)
        {
            if (file.Length == 0)
            {
                return [Telling[_random.Next(Telling.Length)]];
            }

            int at = _random.Next(file.Length);
            int length = 1 + _random.Next(Math.Min(64, file.Length - at));
            byte[] copy = [.. file];
            switch (_random.Next(10))
            {
                case 0 or 1 or 2:
                    copy[at] ^= (byte)(1 << _random.Next(8));
                    return copy;
                case 3:
                    copy[at] = Telling[_random.Next(Telling.Length)];
                    return copy;
                case 4:
                    return [.. file[..at], .. file[(at + length)..]];
                case 5:
                    return [.. file[..(at + length)], .. file[at..]];
                case 6:
                    return at == 0 ? copy : file[..at];
                case 7:
                    _random.NextBytes(copy.AsSpan(at, length));
                    return copy;
                case 8:
                    int from = _random.Next(file.Length - length + 1);
                    file.AsSpan(from, length).CopyTo(copy.AsSpan(at));
                    return copy;
                default:
                    return [.. file, .. file[at..(at + length)]];
            }
        }
    }
}
