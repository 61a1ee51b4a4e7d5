using System.Text.Json;
using VertFed.PartyNode.Profiling;
using VertFed.Protocol;
using VertFed.UnitTests.Cli;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class ProfileTests : IDisposable
{
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public async Task It_tells_what_every_column_holds_and_how_the_file_was_read()
    {
        await WriteAsync("\uFEFFid;y;age;region\n" + string.Concat(Enumerable.Range(0, 100).Select(i => $"k{(i == 99 ? 0 : i)};{i % 2};{(i == 7 ? "" : $"{i},5")};{(i < 95 ? "north" : "isle")}\n")));
        JsonElement profile = await JsonAsync();

        Assert.Equal("CSV, UTF-8 with byte-order mark, delimiter ';' (detected), decimal comma (detected)", profile.GetProperty("format").GetString());
        Assert.Equal((100, 1, 0), (Number(profile, "rows"), Number(profile, "duplicate_ids"), Number(profile, "empty_ids")));
        JsonElement[] columns = [.. profile.GetProperty("columns").EnumerateArray()];
        Assert.Equal(["id", "y", "age", "region"], columns.Select(column => column.GetProperty("name").GetString()));
        Assert.Equal(["id", "label", "feature", "feature"], columns.Select(column => column.GetProperty("use").GetString()));
        Assert.Equal((99, 1, 99), (Number(columns[2], "count"), Number(columns[2], "missing"), Number(columns[2], "distinct")));
        Assert.Equal((0.5, 99.5), (Number(columns[2], "minimum"), Number(columns[2], "maximum")));
        Assert.Equal((4950 - 7 + 49.5) / 99, Number(columns[2], "mean"), 1e-9);
        Assert.Equal(50.5, columns[2].GetProperty("quantiles").GetProperty("p50").GetDouble());
        Assert.Equal("north", Assert.Single(columns[3].GetProperty("levels").EnumerateArray()).GetProperty("level").GetString());
        Assert.Equal((1, 5), (Number(columns[3], "rare_levels"), Number(columns[3], "rare_rows")));
    }

    [Fact]
    public async Task Rare_levels_are_named_only_when_asked_for_and_the_text_says_whose_eyes_it_is_for()
    {
        await WriteAsync("id,y,age,region\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"k{i},0,1,{(i < 15 ? "north" : "isle\u001b[31m")}\n")));
        (int code, string text, _) = await RunAsync();
        Assert.Equal(0, code);
        Assert.StartsWith("For the eyes of this party's operator", text, StringComparison.Ordinal);
        Assert.DoesNotContain("isle", text, StringComparison.Ordinal);
        (_, text, _) = await RunAsync("--show-rare");
        Assert.Contains("isle\uFFFD[31m", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cells_that_would_refuse_a_job_are_counted_with_the_first_of_them()
    {
        await WriteAsync("id,y,age,region\na,0,1,n\nb,1,many,n\nc,1,inf,n\n");
        JsonElement age = (await JsonAsync()).GetProperty("columns")[2];
        Assert.Equal((2, 3, 1), (Number(age, "not_numbers"), Number(age, "first_not_number"), Number(age, "distinct")));
    }

    [Fact]
    public async Task Many_values_are_counted_no_further_and_ranked_by_a_sample()
    {
        await WriteAsync("id,y,age,region\n" + string.Concat(Enumerable.Range(0, 150_000).Select(i => $"{i},0,{i},l{i % 12_000}\n")));
        JsonElement profile = await JsonAsync();
        JsonElement age = profile.GetProperty("columns")[2];
        Assert.Equal(JsonValueKind.Null, age.GetProperty("distinct").ValueKind);
        Assert.True(age.GetProperty("quantiles_sampled").GetBoolean());
        Assert.InRange(age.GetProperty("quantiles").GetProperty("p50").GetDouble(), 74_000, 76_000);
        Assert.Equal((0, 149_999), (Number(age, "minimum"), Number(age, "maximum")));
        Assert.Equal(JsonValueKind.Null, profile.GetProperty("columns")[3].GetProperty("distinct").ValueKind);
        Assert.Contains("distinct more than 10,000", (await RunAsync()).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_sample_shows_what_its_readme_says()
    {
        string readme = Checkout.Read("samples/categorical/README.md").ReplaceLineEndings("\n");
        using StringWriter output = new() { NewLine = "\n" };
        using StringWriter errors = new();
        int code = await ProfileCommand.RunAsync(["--config", Checkout.PathOf("samples/categorical/bank.yaml")], output, errors, CancellationToken.None);
        Assert.Equal((0, ""), (code, errors.ToString()));
        Assert.Equal(readme.Split("```\n")[1].TrimEnd(), output.ToString().TrimEnd());
    }

    [Theory]
    [InlineData("bank", "bank-new.csv (CSV, UTF-8, delimiter ';' (detected), decimal comma (detected))", "rows 400,")]
    [InlineData("retailer", "retailer-new.csv.gz (CSV, gzip, UTF-8, delimiter ',' (detected), decimal point (detected))", "visits (feature, numeric): missing 7,")]
    public async Task The_samples_new_customers_are_shown_by_their_datasets_name(string party, string source, string line)
    {
        using StringWriter output = new();
        using StringWriter errors = new();
        int code = await ProfileCommand.RunAsync(
            ["--config", Checkout.PathOf($"samples/categorical/{party}.yaml"), "--dataset", "new-customers"], output, errors, CancellationToken.None);
        Assert.Equal((0, ""), (code, errors.ToString()));
        Assert.Contains(source, output.ToString(), StringComparison.Ordinal);
        Assert.Contains(line, output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dataset_is_chosen_by_name_and_an_unknown_one_is_a_usage_error()
    {
        await WriteAsync("id,y,age,region\na,0,1,n\n");
        await File.WriteAllTextAsync(_place.At("more.csv"), "id,z\na,0\nb,4\n");
        Assert.Equal(2, Number(await JsonAsync("--dataset", "more"), "rows"));
        (int code, _, string errors) = await RunAsync("--dataset", "less");
        Assert.Equal((int)ErrorCode.Usage, code);
        Assert.Contains("there is no dataset 'less'; known are default, more", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Public_rows_are_shown_as_a_job_spec_names_them()
    {
        await WriteAsync("id,y,age,region\na,0,1,n\n");
        await File.WriteAllTextAsync(_place.At("shared.csv"), "region,age\n s,2.50\nn,-0\n");
        await File.AppendAllTextAsync(_place.At("party.yaml"), "\npublic_data:\n  shared: {csv: shared.csv}\n");
        byte[] canonical =
        [
            .. "vertfed/v1/public-rows"u8, 0, 0, 0, 2, 0, 0, 0, 3, .. "age"u8, 0, 0, 0, 0, 6, .. "region"u8, 1,
            0, 0, 0, 2, 0x40, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, .. "s"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, .. "n"u8,
        ];

        (int code, string output, string errors) = await RunAsync("--public", "shared");
        Assert.Equal((0, ""), (code, errors));
        Assert.Equal($"public_rows: {{ name: shared, rows: 2, sha256: {Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(canonical))} }}", output.Trim());
        Assert.Contains("there is no public data 'other'; known are shared", (await RunAsync("--public", "other")).Errors, StringComparison.Ordinal);
        Assert.Equal((int)ErrorCode.Usage, (await RunAsync("--public", "shared", "--json")).Code);
    }

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();

    private async Task WriteAsync(string data)
    {
        await File.WriteAllTextAsync(_place.At("bank.csv"), data);
        string text = PartyConfigTests.Text.Replace(
            "  csv: bank.csv",
            """
              csv: bank.csv
              columns:
                region: {type: categorical}
            datasets:
              more: {csv: more.csv}
            """,
            StringComparison.Ordinal);
        await File.WriteAllTextAsync(_place.At("party.yaml"), text);
    }

    private async Task<JsonElement> JsonAsync(params string[] arguments)
    {
        (int code, string output, string errors) = await RunAsync(["--json", .. arguments]);
        Assert.Equal((0, ""), (code, errors));
        using JsonDocument document = JsonDocument.Parse(output);
        return document.RootElement.Clone();
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter errors = new();
        int code = await ProfileCommand.RunAsync(["--config", _place.At("party.yaml"), .. arguments], output, errors, CancellationToken.None);
        return (code, output.ToString(), errors.ToString());
    }
}
