using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>The file's frame: what the writer writes and refuses, and what the reader says.</summary>
public sealed class TranscriptContainerTests : IAsyncLifetime
{
    private const int TrailerBytes = 9 + 100;
    private TranscriptModel _model = null!;

    public async Task InitializeAsync() => _model = await TranscriptFixture.ScriptedAsync();

    public Task DisposeAsync()
    {
        _model.Keys.Dispose();
        return Task.CompletedTask;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(int.MaxValue)]
    public async Task The_writer_writes_the_bytes_that_the_format_says_however_payloads_come(int piece)
    {
        _model.Entries[3].Payload = new byte[(2 << 20) + 5];
        new Random(1).NextBytes(_model.Entries[3].Payload);
        TranscriptModel.Sign(_model.Entries[3], _model.Entries[3].Header, _model.Keys.Identity(_model.Entries[3].Header.Sender));

        byte[] written = await WriteAsync(_model, piece);

        Assert.Equal(_model.Write().AsSpan(..^TrailerBytes), written.AsSpan(..^TrailerBytes));
        Assert.Equal(_model.Write().Length, written.Length);
    }

    [Theory]
    [InlineData(Payloads.Full)]
    [InlineData(Payloads.Hashes)]
    public async Task What_the_writer_writes_verifies(Payloads payloads)
    {
        _model.Header.Payloads = payloads;

        Verdict verdict = await TranscriptFixture.VerifyAsync(await WriteAsync(_model, 100), TranscriptFixture.Pins(_model));

        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal(payloads == Payloads.Full, verdict.UncheckedPayloadBytes == 0);
    }

    [Fact]
    public async Task The_writer_refuses_what_the_verifier_would()
    {
        ModelEntry first = _model.Entries[0];
        using MemoryStream file = new();
        using TranscriptWriter writer = await TranscriptWriter.CreateAsync(file, _model.Header);

        await FaultAsync(() => writer.PayloadAsync(new byte[1]));
        await EntryAsync(writer, _model.Entries[1]);
        await FaultAsync(() => EntryAsync(writer, _model.Entries[2]));
        await FaultAsync(() => writer.CheckpointAsync(Phase.Session, _model.Checkpoints[0].Note));
        await FaultAsync(() => writer.PayloadAsync(new byte[_model.Entries[1].Payload.Length + 1]));
        await writer.PayloadAsync(_model.Entries[1].Payload);
        await FaultAsync(() => EntryAsync(writer, first));
        await FaultAsync(() => EntryAsync(writer, _model.Entries[1]));
        await FaultAsync(() => writer.FinishAsync(bytes => _model.Keys.Coordinator.Sign(bytes)));
        await writer.CheckpointAsync(Phase.Align, _model.Checkpoints[1].Note);
        await FaultAsync(() => writer.CheckpointAsync(Phase.Align, _model.Checkpoints[1].Note));
        await FaultAsync(() => writer.CheckpointAsync(Phase.Train, new byte[SignedNote.MaxBytes + 1]));
        await FaultAsync(() => EntryAsync(writer, _model.Entries[2]));
    }

    [Fact]
    public async Task The_writer_takes_as_many_entries_as_its_header_announced()
    {
        _model.Header.Entries = 1;
        _model.Header.Payloads = Payloads.Hashes;
        using MemoryStream file = new();
        using TranscriptWriter writer = await TranscriptWriter.CreateAsync(file, _model.Header);
        await EntryAsync(writer, _model.Entries[0]);
        await FaultAsync(() => writer.FinishAsync(bytes => _model.Keys.Coordinator.Sign(bytes)));
        await writer.PayloadAsync(_model.Entries[0].Payload);

        await FaultAsync(() => EntryAsync(writer, _model.Entries[1]));
    }

    [Fact]
    public async Task A_header_of_another_version_is_not_written()
    {
        _model.Header.Version = 2;

        await FaultAsync(() => TranscriptWriter.CreateAsync(Stream.Null, _model.Header));
    }

    [Fact]
    public async Task Records_come_with_their_numbers_and_offsets_from_a_stream_of_any_pace()
    {
        byte[] file = _model.Write();
        using DroppingStream slow = new(file);
        using TranscriptReader reader = new(slow);
        long number = 0;
        long offset = 8;
        RecordType last = RecordType.Header;
        while (await reader.ReadAsync() is { } record)
        {
            Assert.Equal((++number, offset), (record.Number, record.Offset));
            Assert.Equal(file.AsSpan((int)offset + 9, record.Body.Length), record.Body.Span);
            offset += 9 + record.Body.Length;
            last = record.Type;
        }

        Assert.Equal((RecordType.Trailer, file.Length), (last, reader.Offset));
        Assert.Equal(System.Security.Cryptography.SHA256.HashData(file.AsSpan(..^TrailerBytes)), reader.FileHash);
    }

    [Fact]
    public async Task Errors_name_the_record_and_its_offset()
    {
        byte[] file = _model.Write();
        int second = 8 + 9 + _model.Header.CalculateSize();
        byte[] unknown = [.. file];
        unknown[second] = 77;

        Assert.Contains($"Record 2 at offset {second} has the type 77", await RefusalAsync(unknown), StringComparison.Ordinal);
        Assert.Contains($"ends in record 2, which begins at offset {second}", await RefusalAsync(file[..(second + 20)]), StringComparison.Ordinal);
        Assert.Contains($"from offset {file.Length}", await RefusalAsync([.. file, 1]), StringComparison.Ordinal);
        Assert.Contains("not a transcript", await RefusalAsync([]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_transcript_takes_no_more_memory_than_a_small_one()
    {
        ModelEntry entry = _model.Entries[^1];
        entry.Payload = new byte[Limits.MaxPayloadBytes];
        TranscriptModel.Sign(entry, entry.Header, _model.Keys.Identity(entry.Header.Sender));
        _model.RemakeCheckpoints();
        byte[] file = _model.Write();
        await TranscriptFixture.VerifyAsync(file, TranscriptFixture.Pins(_model));

        // The figure is the whole process's: what else allocates meanwhile does not do so each time.
        long least = long.MaxValue;
        for (int i = 0; i < 5 && least > Limits.MaxPayloadBytes / 2; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Verdict verdict = await TranscriptFixture.VerifyAsync(file, TranscriptFixture.Pins(_model));
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            Assert.True(verdict.IsVerified, verdict.Summary);
        }

        Assert.InRange(least, 0, Limits.MaxPayloadBytes / 2);
    }

    private static async Task<byte[]> WriteAsync(TranscriptModel model, int piece)
    {
        using MemoryStream file = new();
        using TranscriptWriter writer = await TranscriptWriter.CreateAsync(file, model.Header);
        foreach (ModelEntry entry in model.Entries)
        {
            await EntryAsync(writer, entry);
            bool kept = model.Header.Payloads == Payloads.Full || !PhaseGrammar.Rule(entry.Header.Step).Sealed;
            int step = Math.Min(piece, Math.Max(1, entry.Payload.Length));
            step = entry.Payload.Length > 1 << 20 ? Math.Max(step, 99_991) : step;
            for (int at = 0; kept && at < entry.Payload.Length; at += step)
            {
                await writer.PayloadAsync(entry.Payload.AsMemory(at, Math.Min(step, entry.Payload.Length - at)));
            }
        }

        foreach ((Phase phase, byte[] note) in model.Checkpoints)
        {
            await writer.CheckpointAsync(phase, note);
        }

        foreach (byte[] part in model.Deliveries)
        {
            await writer.DeliveriesAsync(DeliveryLog.Parser.ParseFrom(part));
        }

        await writer.FinishAsync(bytes => model.Keys.Coordinator.Sign(bytes));
        return file.ToArray();
    }

    private static Task EntryAsync(TranscriptWriter writer, ModelEntry entry) =>
        writer.EntryAsync(ByteString.CopyFrom(entry.Core), ByteString.CopyFrom(entry.Attestation));

    private static async Task FaultAsync(Func<Task> act) =>
        Assert.Equal(ErrorCode.Internal, (await Assert.ThrowsAsync<VertFedException>(act)).Code);

    private static async Task<string> RefusalAsync(byte[] file)
    {
        using MemoryStream stream = new(file);
        using TranscriptReader reader = new(stream);
        VertFedException e = await Assert.ThrowsAsync<VertFedException>(async () =>
        {
            while (await reader.ReadAsync() is not null)
            {
            }
        });
        Assert.Equal(ErrorCode.DoesNotVerify, e.Code);
        return e.Message;
    }

    /// <summary>Gives three bytes at a time.</summary>
    private sealed class DroppingStream(byte[] content) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(3, buffer.Length)], cancellationToken);
    }
}
