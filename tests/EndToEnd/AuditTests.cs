using System.Globalization;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>What an auditor does with the transcript that a real run of three processes leaves.</summary>
[Trait("Speed", "slow")]
public sealed class AuditTests(DemoFixture demo) : IClassFixture<DemoFixture>
{
    private string Transcript => Path.Combine(demo.Out, "transcript.vft");

    [Fact]
    public async Task The_demos_transcript_verifies_and_is_co_signed_after_every_phase()
    {
        demo.RequireSuccess();
        JsonElement verdict = await JsonAsync(0, "verify", Transcript);

        Assert.True(verdict.GetProperty("verified").GetBoolean());
        Assert.Equal("co_signed", verdict.GetProperty("completeness").GetString());
        Assert.Equal(0, verdict.GetProperty("unchecked_payload_bytes").GetInt64());
        Assert.Equal(["Session", "Align", "Train", "Evaluate", "Close"], verdict.GetProperty("checkpoints").EnumerateArray().Select(c => c.GetProperty("phase").GetString()!));
        Assert.All(
            verdict.GetProperty("checkpoints").EnumerateArray(),
            checkpoint => Assert.Equal(["bank", "retailer"], checkpoint.GetProperty("co_signed_by").EnumerateArray().Select(name => name.GetString()!)));
    }

    [Fact]
    public async Task Pinned_keys_are_compared()
    {
        demo.RequireSuccess();
        string submitter = await FingerprintAsync("analyst");
        string coordinator = await FingerprintAsync("coordinator");

        JsonElement right = await JsonAsync(0, "verify", Transcript, "--submitter", submitter, "--coordinator-key", coordinator);
        JsonElement wrong = await JsonAsync(7, "verify", Transcript, "--submitter", coordinator);

        Assert.True(right.GetProperty("pinned").GetBoolean());
        Assert.Equal("pinned-key", wrong.GetProperty("failure").GetProperty("rule").GetString());
    }

    [Fact]
    public async Task A_flipped_bit_is_exit_code_7_with_rule_and_entry()
    {
        demo.RequireSuccess();
        using TemporaryFolder folder = new();
        byte[] bytes = await File.ReadAllBytesAsync(Transcript);
        bytes[bytes.Length / 2] ^= 4;
        await File.WriteAllBytesAsync(folder["bad.vft"], bytes);

        ProgramResult result = await RunningProgram.RunVertfedAsync("audit", "verify", folder["bad.vft"]);

        Assert.Equal(7, result.ExitCode);
        Assert.Contains("NOT VERIFIED: the transcript does not verify: rule payload at entry ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_transcript_is_named_so()
    {
        demo.RequireSuccess();
        ProgramResult verify = await RunningProgram.RunVertfedAsync("audit", "verify", Path.Combine(demo.Out, "report.json"));
        ProgramResult missing = await RunningProgram.RunVertfedAsync("audit", "verify", Path.Combine(demo.Out, "none.vft"));

        Assert.Equal(7, verify.ExitCode);
        Assert.Contains("not a transcript file", verify.Output, StringComparison.Ordinal);
        Assert.Equal(2, missing.ExitCode);
    }

    [Fact]
    public async Task The_ledger_agrees_with_the_reports_disclosures()
    {
        demo.RequireSuccess();
        JsonElement ledger = await JsonAsync(0, "ledger", Transcript);
        int iterations = demo.Report.GetProperty("train").GetProperty("iterations").GetInt32();
        JsonElement[] gradients = [.. ledger.GetProperty("ledger").EnumerateArray().Where(line => line.GetProperty("step").GetString() == "MaskedScalars")];

        Assert.Equal(iterations, ledger.GetProperty("rounds").GetInt32());
        Assert.Equal([11L * iterations, 10L * iterations], gradients.Select(line => line.GetProperty("scalars").GetInt64()));
        foreach (JsonElement line in gradients)
        {
            Assert.Contains(
                demo.Report.GetProperty("disclosures").EnumerateArray(),
                reported => reported.GetProperty("party").GetString() == line.GetProperty("party").GetString()
                    && reported.GetProperty("step").GetString() == "MaskedScalars"
                    && reported.GetProperty("scalars").GetInt64() == line.GetProperty("scalars").GetInt64());
        }
    }

    [Fact]
    public async Task Both_sides_replay_byte_for_byte_to_the_reported_model()
    {
        demo.RequireSuccess();
        JsonElement[] replays = [.. (await JsonAsync(
            0, "replay", Transcript, "--party-config", Path.Combine(demo.Out, "bank.yaml"), "--party-config", Path.Combine(demo.Out, "retailer.yaml"), "--joint"))
            .GetProperty("replays").EnumerateArray()];

        foreach ((JsonElement replay, string party) in replays.Zip(["bank", "retailer"]))
        {
            Assert.True(replay.GetProperty("faithful").GetBoolean(), replay.ToString());
            Assert.Equal(replay.GetProperty("recorded").GetInt64(), replay.GetProperty("matched").GetInt64());
            Assert.Equal("same", replay.GetProperty("model").GetString());
            foreach (JsonElement coefficient in replay.GetProperty("replayed_model").GetProperty("coefficients").EnumerateArray())
            {
                double reported = demo.Report.GetProperty("coefficients").GetProperty(party).GetProperty(coefficient.GetProperty("name").GetString()!).GetDouble();
                Assert.Equal(reported, coefficient.GetProperty("value").GetDouble());
            }
        }
    }

    [Fact]
    public async Task Another_data_file_is_exit_code_8_with_the_field()
    {
        demo.RequireSuccess();
        using TemporaryFolder folder = new();
        string data = Path.Combine(demo.Out, "data", "retailer.csv");
        string[] lines = await File.ReadAllLinesAsync(data);
        lines[^1] = lines[^2][..lines[^2].IndexOf(',', StringComparison.Ordinal)] + "x" + lines[^1][lines[^1].IndexOf(',', StringComparison.Ordinal)..];
        await File.WriteAllLinesAsync(folder["retailer.csv"], lines);
        string config = await File.ReadAllTextAsync(Path.Combine(demo.Out, "retailer.yaml"));
        string elsewhere = Path.Combine(demo.Out, "retailer-other-data.yaml");
        await File.WriteAllTextAsync(elsewhere, config.Replace("'data/retailer.csv'", $"'{folder["retailer.csv"]}'", StringComparison.Ordinal));

        ProgramResult result = await RunningProgram.RunVertfedAsync("audit", "replay", Transcript, "--party-config", elsewhere);

        Assert.Equal(8, result.ExitCode);
        Assert.Contains("retailer: DIVERGES", result.Output, StringComparison.Ordinal);
        Assert.Contains("first difference: entry 3, Commitment, field rows_root", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_partys_model_file_is_the_one_it_committed_to_and_an_edited_one_is_not()
    {
        demo.RequireSuccess();
        using TemporaryFolder folder = new();
        string model = Directory.GetFiles(Path.Combine(demo.Out, "bank"), "model.json", SearchOption.AllDirectories).Single();
        string text = await File.ReadAllTextAsync(model);
        double intercept = demo.Report.GetProperty("coefficients").GetProperty("bank").GetProperty("(intercept)").GetDouble();
        string edited = folder.Write(
            "model.json",
            text.Replace(intercept.ToString(CultureInfo.InvariantCulture), (intercept + 1).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));

        Assert.NotEqual(text, await File.ReadAllTextAsync(edited));
        Assert.True((await JsonAsync(0, "verify", Transcript, "--model", model)).GetProperty("model").GetProperty("committed").GetBoolean());
        Assert.False((await JsonAsync(7, "verify", Transcript, "--model", edited)).GetProperty("model").GetProperty("committed").GetBoolean());
    }

    private static async Task<JsonElement> JsonAsync(int exitCode, params string[] arguments)
    {
        ProgramResult result = await RunningProgram.RunVertfedAsync(["audit", .. arguments, "--json"]);
        Assert.True(result.ExitCode == exitCode, result.ToString());
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private async Task<string> FingerprintAsync(string name)
    {
        ProgramResult result = await RunningProgram.RunVertfedAsync("identity", "show", Path.Combine(demo.Out, "identities", name + ".pem"), "--json");
        return JsonDocument.Parse(result.Output).RootElement.GetProperty("fingerprint").GetString()!;
    }
}
