using System.Globalization;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>One undisturbed run of the demo on a generated sample, which several tests look at.</summary>
public sealed class DemoFixture : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private ProgramResult? _result;

    internal string Out => _folder["out"];

    internal ProgramResult Result => _result ?? throw new InvalidOperationException("The demo has not run.");

    internal string ReportText => File.ReadAllText(Path.Combine(Out, "report.json"));

    internal JsonElement Report => JsonDocument.Parse(ReportText).RootElement;

    public async Task InitializeAsync() =>
        _result = await RunningProgram.RunVertfedAsync("demo", "--rows", "6000", "--seed", "7", "--out", Out);

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose() => _folder.Dispose();

    /// <summary>Fails with what the demo printed, rather than with a missing file.</summary>
    internal void RequireSuccess() => Assert.True(Result.ExitCode == 0, Result.ToString() + Logs());

    private string Logs() => !Directory.Exists(Path.Combine(Out, "logs"))
        ? ""
        : string.Concat(Directory.EnumerateFiles(Path.Combine(Out, "logs")).Select(path =>
            string.Create(CultureInfo.InvariantCulture, $"--- {Path.GetFileName(path)}\n{Tail(path)}\n")));

    private static string Tail(string path) => string.Join('\n', File.ReadAllLines(path).TakeLast(20));
}
