using System.Globalization;
using System.Text.Json;
using VertFed.Horizontal.Learning;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Replay;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>What a party's operator can do with the models of a horizontal job that is done: lists, shows, scores with, archives and deletes them.</summary>
internal static class KeptModels
{
    /// <param name="personal">The method that made the party's own model.</param>
    public static async Task RequireAsync(RoundFixture fixture, int party, RunningNode node, string job, string personal)
    {
        IModelControl models = node.Host.Models;
        NodeModel listed = (await models.ListModelsAsync(1, default)).Single();
        Assert.Equal((job, JobKind.Horizontal, ModelState.Active, "logistic", personal), (listed.Job, listed.Kind, listed.State, listed.Model, listed.Personal));
        Assert.Equal((2u, 3u, 32), (listed.Features, listed.Coefficients, listed.TranscriptRoot.Length));
        Assert.Equal(string.Join(", ", fixture.Names.Where((_, other) => other != party)), listed.Peer);
        Assert.True(listed.TrainedUnixMs > 0);
        Assert.Equal(["age", "income"], (await models.ShowModelAsync(job, default))!.Sources);

        await RequireScoresAsync(fixture, party, job, isPersonal: false);
        await RequireScoresAsync(fixture, party, job, isPersonal: true);

        Assert.Equal(ModelState.Archived, (await models.SetModelStateAsync(job, ModelState.Archived, default))!.State);
        Assert.Equal(ErrorCode.Refused, (await Assert.ThrowsAsync<VertFedException>(() => ScoreAsync(fixture, party, job, isPersonal: false, "archived.csv"))).Code);

        byte[] transcript = await fixture.ExportAsync(job);
        NodeModel deleted = (await models.SetModelStateAsync(job, ModelState.Deleted, default))!;
        Assert.Equal((ModelState.Deleted, 0u, 0u), (deleted.State, deleted.Features, deleted.Coefficients));
        Assert.Equal(ErrorCode.Refused, (await Assert.ThrowsAsync<VertFedException>(() => ScoreAsync(fixture, party, job, isPersonal: true, "deleted.csv"))).Code);
        Assert.False(File.Exists(fixture.PathAt(party, "jobs", job, "model.json")));
        Assert.False(File.Exists(fixture.PathAt(party, "jobs", job, "personal.json")));
        PartyRoundState rounds = PartyRoundState.Parser.ParseFrom(await File.ReadAllBytesAsync(fixture.PathAt(party, "jobs", job, "rounds.state")));
        Assert.Equal(new PartyRoundState { Capacity = 1 }, rounds);
        // Heard: SchemaOrder, ScalingOrder, a ModelOrder in each of four rounds, FinalModel. Said: Schema, ScalingSums, four updates.
        Assert.Equal("1100000", await PayloadsAsync(7, heard => node.Store.ReadInboundAsync(job, 1, heard, default)));
        Assert.Equal("110000", await PayloadsAsync(6, said => node.Store.ReadOutboundAsync(job, 1, said, default)));

        // What the party said can still be shown by a transcript that has the payloads.
        ReplayVerdict replayed = await fixture.ReplayAsync(party, node, transcript);
        Assert.True(replayed.IsFaithful, replayed.Difference);
        Assert.Equal(ModelFinding.None, replayed.Model);
    }

    /// <summary>[envelope]: 1 where the store has its payload, 0 where that was erased.</summary>
    private static async Task<string> PayloadsAsync(ulong count, Func<ulong, ValueTask<Envelope?>> read)
    {
        string has = "";
        for (ulong sequence = 0; sequence < count; sequence++)
        {
            has += (await read(sequence))!.Payload.IsEmpty ? '0' : '1';
        }

        return has;
    }

    /// <summary>The party's own rows, scored, come to what its file says by the formula.</summary>
    private static async Task RequireScoresAsync(RoundFixture fixture, int party, string job, bool isPersonal)
    {
        string path = await ScoreAsync(fixture, party, job, isPersonal, isPersonal ? "own.csv" : "common.csv");
        string[] lines = await File.ReadAllLinesAsync(path);
        Examples rows = fixture.RowsAt(party);
        Assert.Equal((rows.Count + 1, "id,score,status"), (lines.Length, lines[0]));
        using JsonDocument file = JsonDocument.Parse(await File.ReadAllBytesAsync(fixture.PathAt(party, "jobs", job, isPersonal ? "personal.json" : "model.json")));
        double[][] numbers = [.. new[] { "parameters", "means", "deviations" }.Select(name => file.RootElement.GetProperty(name).EnumerateArray().Select(number => number.GetDouble()).ToArray())];
        for (int row = 0; row < rows.Count; row++)
        {
            double[] x = rows.Row(row).ToArray();
            double eta = numbers[0][2] + Enumerable.Range(0, 2).Sum(i => numbers[0][i] * (x[i] - numbers[1][i]) / numbers[2][i]);
            string[] cells = lines[row + 1].Split(',');
            Assert.Equal((3, $"{party}-{row}", "scored"), (cells.Length, cells[0], cells[2]));
            Assert.Equal(1 / (1 + Math.Exp(-eta)), double.Parse(cells[1], CultureInfo.InvariantCulture), 1e-12);
        }
    }

    private static async Task<string> ScoreAsync(RoundFixture fixture, int party, string job, bool isPersonal, string name)
    {
        string path = fixture.PathAt(party, $"{job}-{name}");
        RoundScoreCounts counts = await ScoreCommand.ScoreAsync(fixture.ConfigOf(party), new ScoreCommand.Arguments(job, "", path) { Personal = isPersonal }, default);
        Assert.Equal((0L, 0L), (counts.UnseenRows, counts.NotFiniteRows));
        VertFedException twice = await Assert.ThrowsAsync<VertFedException>(
            () => ScoreCommand.ScoreAsync(fixture.ConfigOf(party), new ScoreCommand.Arguments(job, "", path), default));
        Assert.Equal(ErrorCode.Usage, twice.Code);
        return path;
    }
}
