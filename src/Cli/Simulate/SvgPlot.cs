using System.Globalization;
using System.Security;
using System.Text;

namespace VertFed.Cli.Simulate;

/// <summary>One panel of a plot: a line through points.</summary>
/// <param name="Title">Above the panel.</param>
/// <param name="XLabel">Under the panel.</param>
/// <param name="Points">In order of x; a NaN breaks the line.</param>
internal sealed record PlotPanel(string Title, string XLabel, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Line plots as SVG, panels side by side, without script, font files or anything else from outside.</summary>
internal static class SvgPlot
{
    private const int PanelWidth = 420;
    private const int Height = 300;
    private const int Left = 64;
    private const int Right = 16;
    private const int Top = 34;
    private const int Bottom = 44;
    private const int Ticks = 5;

    public static string Render(string heading, IReadOnlyList<PlotPanel> panels)
    {
        StringBuilder svg = new();
        int width = PanelWidth * panels.Count;
        svg.Append(CultureInfo.InvariantCulture, $"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{Height + 24}" viewBox="0 0 {width} {Height + 24}" font-family="sans-serif" font-size="11">""").Append('\n');
        svg.Append("""<rect width="100%" height="100%" fill="white"/>""").Append('\n');
        Text(svg, width / 2.0, 16, "middle", heading, 13);
        for (int i = 0; i < panels.Count; i++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<g transform="translate({i * PanelWidth},24)">""").Append('\n');
            Panel(svg, panels[i]);
            svg.Append("</g>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    /// <summary>Round numbers that cover a range: steps of 1, 2 or 5 times a power of ten.</summary>
    internal static double[] TickValues(double low, double high, int about)
    {
        double span = high > low ? high - low : Math.Max(Math.Abs(low), 1);
        double power = Math.Pow(10, Math.Floor(Math.Log10(span / about)));
        double step = new[] { 1, 2, 5, 10 }.Select(factor => factor * power).First(candidate => span / candidate <= about);
        double first = Math.Floor(low / step);
        double last = Math.Max(first + 1, Math.Ceiling(high / step));
        return [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => (first + i) * step)];
    }

    private static void Panel(StringBuilder svg, PlotPanel panel)
    {
        (double X, double Y)[] points = [.. panel.Points.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y))];
        double[] xs = points.Length == 0 ? [0, 1] : TickValues(0, points.Max(point => point.X), Ticks);
        double[] ys = points.Length == 0 ? [0, 1] : TickValues(points.Min(point => point.Y), points.Max(point => point.Y), Ticks);
        double X(double x) => Left + ((x - xs[0]) / (xs[^1] - xs[0]) * (PanelWidth - Left - Right));
        double Y(double y) => Height - Bottom - ((y - ys[0]) / (ys[^1] - ys[0]) * (Height - Top - Bottom));
        Text(svg, (Left + PanelWidth - Right) / 2.0, 22, "middle", panel.Title, 12);
        Text(svg, (Left + PanelWidth - Right) / 2.0, Height - 8, "middle", panel.XLabel, 11);
        foreach (double x in xs)
        {
            Line(svg, X(x), Y(ys[0]), X(x), Y(ys[^1]), "#e4e4e4");
            Text(svg, X(x), Height - Bottom + 16, "middle", x.ToString("0.#####", CultureInfo.InvariantCulture), 11);
        }

        foreach (double y in ys)
        {
            Line(svg, X(xs[0]), Y(y), X(xs[^1]), Y(y), "#e4e4e4");
            Text(svg, Left - 6, Y(y) + 4, "end", y.ToString("0.#####", CultureInfo.InvariantCulture), 11);
        }

        Line(svg, X(xs[0]), Y(ys[0]), X(xs[^1]), Y(ys[0]), "#444");
        Line(svg, X(xs[0]), Y(ys[0]), X(xs[0]), Y(ys[^1]), "#444");
        List<string> stretch = [];
        foreach ((double x, double y) in panel.Points.Append((double.NaN, double.NaN)))
        {
            if (double.IsFinite(x) && double.IsFinite(y))
            {
                stretch.Add(string.Create(CultureInfo.InvariantCulture, $"{X(x):0.##},{Y(y):0.##}"));
            }
            else if (stretch.Count > 0)
            {
                svg.Append(CultureInfo.InvariantCulture, $"""<polyline fill="none" stroke="#1f5fa8" stroke-width="1.5" points="{string.Join(' ', stretch)}"/>""").Append('\n');
                stretch.Clear();
            }
        }
    }

    private static void Line(StringBuilder svg, double x1, double y1, double x2, double y2, string colour) =>
        svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{x1:0.##}" y1="{y1:0.##}" x2="{x2:0.##}" y2="{y2:0.##}" stroke="{colour}"/>""").Append('\n');

    private static void Text(StringBuilder svg, double x, double y, string anchor, string text, int size) =>
        svg.Append(CultureInfo.InvariantCulture, $"""<text x="{x:0.##}" y="{y:0.##}" text-anchor="{anchor}" font-size="{size}">{SecurityElement.Escape(text)}</text>""").Append('\n');
}
