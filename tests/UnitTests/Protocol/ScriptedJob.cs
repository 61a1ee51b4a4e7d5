using System.Buffers.Binary;
using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.UnitTests.Protocol;

/// <summary>
/// Role code of the right shape with small payloads: every step of a job in order, contents drawn from the channel's own
/// randomness, so that what is sent depends on what came in.
/// </summary>
internal static class ScriptedJob
{
    public static Task RunAsync(SealedChannel label, SealedChannel feature, Family family, int rounds) =>
        Task.WhenAll(RunSideAsync(label, family, rounds), RunSideAsync(feature, family, rounds));

    public static async Task RunSideAsync(SealedChannel channel, Family family, int rounds, ulong twist = 0)
    {
        bool label = channel.Self == Role.LabelParty;
        await BothAsync(channel, Step.BlindedIds, 0, new BlindedIds { Total = 2, Elements = Bytes(channel, Step.BlindedIds, 0) }, BlindedIds.Parser);
        await BothAsync(channel, Step.EvaluatedIds, 0, new EvaluatedIds { Elements = Bytes(channel, Step.EvaluatedIds, 0) }, EvaluatedIds.Parser);
        await BothAsync(channel, Step.AlignmentDigest, 0, new AlignmentDigest { Rows = 2 }, AlignmentDigest.Parser);
        await BothAsync(channel, Step.TrainSetup, 0, new TrainSetup { TrainRows = 2, TestRows = twist }, TrainSetup.Parser);
        for (uint round = 1; round <= rounds; round++)
        {
            if (family == Family.Logistic)
            {
                if (round == 1)
                {
                    await OneWayAsync(channel, label, Step.LinkTables, round, new LinkTables { Version = 1 }, LinkTables.Parser);
                }

                for (uint block = 0; block < 2; block++)
                {
                    await OneWayAsync(
                        channel, !label, Step.LinkRequest, round, new LinkRequest { Block = block, PublicKey = Bytes(channel, Step.LinkRequest, round) }, LinkRequest.Parser);
                }

                for (uint block = 0; block < 2; block++)
                {
                    await OneWayAsync(
                        channel, label, Step.LinkResponse, round, new LinkResponse { Block = block, Ciphertext = Bytes(channel, Step.LinkResponse, round) }, LinkResponse.Parser);
                }
            }

            await BothAsync(channel, Step.ResidualShare, round, new ResidualShare { PublicKey = Bytes(channel, Step.ResidualShare, round) }, ResidualShare.Parser);
            await BothAsync(channel, Step.GradientResponse, round, new GradientResponse { Ciphertexts = { Bytes(channel, Step.GradientResponse, round) } }, GradientResponse.Parser);
            await BothAsync(channel, Step.MaskedScalars, round, new MaskedScalars { Values = { 1, 2, 3 } }, MaskedScalars.Parser);
            await BothAsync(channel, Step.OptimiserScalars, round, new OptimiserScalars { Values = { 0.5 } }, OptimiserScalars.Parser);
        }

        if (family == Family.Logistic)
        {
            await OneWayAsync(channel, label, Step.LinkTables, 0, new LinkTables { Version = 2 }, LinkTables.Parser);
        }

        await OneWayAsync(channel, !label, Step.LossRequest, 0, new LossRequest { PublicKey = Bytes(channel, Step.LossRequest, 0) }, LossRequest.Parser);
        await OneWayAsync(channel, label, Step.LossResponse, 0, new LossResponse { Ciphertext = Bytes(channel, Step.LossResponse, 0) }, LossResponse.Parser);
        await OneWayAsync(channel, !label, Step.LossScalar, 0, new LossScalar { Value = 7 }, LossScalar.Parser);
        await OneWayAsync(channel, !label, Step.PartialScores, 0, new PartialScores { Scores = { 1, -1 } }, PartialScores.Parser);
        await OneWayAsync(channel, label, Step.EvaluationSummary, 0, new EvaluationSummary { Rows = 2, Auc = 0.5 }, EvaluationSummary.Parser);
        await channel.CloseAsync(new ResultValues([1], new byte[32], [2]), default);
    }

    private static async Task BothAsync<T>(SealedChannel channel, Step step, uint round, T own, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        await channel.SendAsync(step, round, own, default);
        await channel.ReceiveAsync(step, round, parser, default);
    }

    private static async Task OneWayAsync<T>(SealedChannel channel, bool sends, Step step, uint round, T own, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        if (sends)
        {
            await channel.SendAsync(step, round, own, default);
        }
        else
        {
            await channel.ReceiveAsync(step, round, parser, default);
        }
    }

    private static ByteString Bytes(SealedChannel channel, Step step, uint round)
    {
        using RandomStream stream = channel.DeriveSecret("scripted", step, round);
        byte[] bytes = new byte[64];
        for (int i = 0; i < bytes.Length; i += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i), stream.NextUInt64());
        }

        return ByteString.CopyFrom(bytes);
    }
}
