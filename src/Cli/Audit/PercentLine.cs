using System.Globalization;

namespace VertFed.Cli.Audit;

/// <summary>One line on standard error that counts up while something long runs; nothing where standard error is no terminal.</summary>
internal sealed class PercentLine(Terminal terminal, string what) : IDisposable
{
    private string _shown = "";

    /// <summary>Shows how much of a known size is done.</summary>
    public void Show(long done, long total) =>
        Show(string.Create(CultureInfo.InvariantCulture, $"{what} {100 * done / total}%"));

    /// <summary>Shows an amount of bytes.</summary>
    public void ShowBytes(long bytes) =>
        Show(string.Create(CultureInfo.InvariantCulture, $"{what} {bytes / 1_000_000:N0} MB"));

    public void Dispose() => Show("");

    private void Show(string text)
    {
        if (terminal.ErrorIsTerminal && !string.Equals(text, _shown, StringComparison.Ordinal))
        {
            terminal.Error.Write("\r" + text.PadRight(_shown.Length) + (text.Length == 0 ? "\r" : ""));
            terminal.Error.Flush();
            _shown = text;
        }
    }
}
