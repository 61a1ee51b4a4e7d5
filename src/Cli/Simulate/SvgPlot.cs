using System.Globalization;
using System.Security;
using System.Text;

namespace VertFed.Cli.Simulate;

/// <param name="Band">Half the height of the band around the line; 0 draws none.</param>
internal sealed record PlotPoint(double X, double Y, double Band);

/// <summary>One line.</summary>
/// <param name="Name">In the legend.</param>
/// <param name="Points">In order of x; a NaN breaks the line.</param>
internal sealed record PlotSeries(string Name, IReadOnlyList<PlotPoint> Points);

/// <summary>One panel of a plot. All panels have the same series in the same order, so that one legend serves them.</summary>
/// <param name="Title">Above the panel.</param>
/// <param name="XLabel">Under the panel.</param>
/// <param name="YLabel">Left of the panel.</param>
internal sealed record PlotPanel(string Title, string XLabel, string YLabel, IReadOnlyList<PlotSeries> Series);

/// <summary>Line plots as SVG, panels side by side over one legend, without script, font files or anything else from outside.</summary>
internal static class SvgPlot
{
    private const int PanelWidth = 470;
    private const int PanelHeight = 330;
    private const int Heading = 36;
    private const int Left = 70;
    private const int Right = 22;
    private const int Top = 30;
    private const int Bottom = 52;
    private const int Ticks = 5;
    private const int LegendLine = 20;
    private const int LegendMargin = 24;
    private const int Swatch = 26;

    // Seven colours that stay apart for colour-blind readers (Okabe and Ito 2008, without yellow), then again with dashes.
    private static readonly string[] Colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333"];
    private static readonly string[] Dashes = ["", "7 4", "2 3", "9 3 2 3", "5 2"];

    /// <param name="heading">Above all.</param>
    /// <param name="panels">At least one, with the same series.</param>
    public static string Render(string heading, IReadOnlyList<PlotPanel> panels)
    {
        StringBuilder svg = new();
        int width = PanelWidth * panels.Count;
        string[] names = [.. panels[0].Series.Select(series => series.Name)];
        (int X, int Line)[] legend = Legend(names, width);
        int height = Heading + PanelHeight + (LegendLine * (legend.Length == 0 ? 0 : legend[^1].Line + 1)) + 14;
        svg.Append(CultureInfo.InvariantCulture, $"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" fill="#222">""").Append('\n');
        svg.Append("""<rect width="100%" height="100%" fill="white"/>""").Append('\n');
        Text(svg, width / 2.0, 24, "middle", heading, 15, "font-weight=\"bold\"");
        for (int i = 0; i < panels.Count; i++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<g transform="translate({i * PanelWidth},{Heading})">""").Append('\n');
            Panel(svg, panels[i]);
            svg.Append("</g>\n");
        }

        for (int i = 0; i < names.Length; i++)
        {
            double y = Heading + PanelHeight + (LegendLine * legend[i].Line) + 8;
            svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{legend[i].X}" y1="{y:0.##}" x2="{legend[i].X + Swatch}" y2="{y:0.##}" {Stroke(i)}/>""").Append('\n');
            Text(svg, legend[i].X + Swatch + 6, y + 4, "start", names[i], 12);
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
        PlotPoint[] points = [.. panel.Series.SelectMany(series => series.Points).Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y))];
        double[] xs = points.Length == 0 ? [0, 1] : TickValues(0, points.Max(point => point.X), Ticks);
        double[] ys = points.Length == 0 ? [0, 1] : TickValues(points.Min(point => point.Y - point.Band), points.Max(point => point.Y + point.Band), Ticks);
        double X(double x) => Left + ((x - xs[0]) / (xs[^1] - xs[0]) * (PanelWidth - Left - Right));
        double Y(double y) => PanelHeight - Bottom - ((y - ys[0]) / (ys[^1] - ys[0]) * (PanelHeight - Top - Bottom));
        double middle = (Left + PanelWidth - Right) / 2.0;
        Text(svg, middle, 18, "middle", panel.Title, 13);
        Text(svg, middle, PanelHeight - 12, "middle", panel.XLabel, 12);
        double centre = (Top + PanelHeight - Bottom) / 2.0;
        Text(svg, 16, centre, "middle", panel.YLabel, 12, string.Create(CultureInfo.InvariantCulture, $"transform=\"rotate(-90 16 {centre:0.##})\""));
        foreach (double x in xs)
        {
            Line(svg, X(x), Y(ys[0]), X(x), Y(ys[^1]), "#e6e6e6");
            Line(svg, X(x), Y(ys[0]), X(x), Y(ys[0]) + 5, "#444");
            Text(svg, X(x), PanelHeight - Bottom + 19, "middle", Label(x, xs), 11);
        }

        foreach (double y in ys)
        {
            Line(svg, X(xs[0]), Y(y), X(xs[^1]), Y(y), "#e6e6e6");
            Line(svg, X(xs[0]) - 5, Y(y), X(xs[0]), Y(y), "#444");
            Text(svg, Left - 9, Y(y) + 4, "end", Label(y, ys), 11);
        }

        Line(svg, X(xs[0]), Y(ys[0]), X(xs[^1]), Y(ys[0]), "#444");
        Line(svg, X(xs[0]), Y(ys[0]), X(xs[0]), Y(ys[^1]), "#444");
        for (int i = 0; i < panel.Series.Count; i++)
        {
            foreach (List<PlotPoint> stretch in Stretches(panel.Series[i].Points).Where(static stretch => stretch.Exists(static point => point.Band > 0)))
            {
                IEnumerable<string> upper = stretch.Select(point => Pair(X(point.X), Y(point.Y + point.Band)));
                IEnumerable<string> lower = stretch.AsEnumerable().Reverse().Select(point => Pair(X(point.X), Y(point.Y - point.Band)));
                svg.Append(CultureInfo.InvariantCulture, $"""<polygon fill="{Colours[i % Colours.Length]}" fill-opacity="0.10" points="{string.Join(' ', upper.Concat(lower))}"/>""").Append('\n');
            }
        }

        for (int i = 0; i < panel.Series.Count; i++)
        {
            foreach (List<PlotPoint> stretch in Stretches(panel.Series[i].Points))
            {
                svg.Append(CultureInfo.InvariantCulture, $"""<polyline fill="none" {Stroke(i)} points="{string.Join(' ', stretch.Select(point => Pair(X(point.X), Y(point.Y))))}"/>""").Append('\n');
            }
        }
    }

    private static List<List<PlotPoint>> Stretches(IReadOnlyList<PlotPoint> points)
    {
        List<List<PlotPoint>> stretches = [];
        bool open = false;
        foreach (PlotPoint point in points)
        {
            bool drawn = double.IsFinite(point.X) && double.IsFinite(point.Y);
            if (drawn && !open)
            {
                stretches.Add([]);
            }

            open = drawn;
            if (drawn)
            {
                stretches[^1].Add(point);
            }
        }

        return stretches;
    }

    // Left to right, on as many lines as it takes; a character is about seven units wide.
    private static (int X, int Line)[] Legend(string[] names, int width)
    {
        var places = new (int X, int Line)[names.Length];
        int x = LegendMargin;
        int line = 0;
        for (int i = 0; i < names.Length; i++)
        {
            int needed = Swatch + 6 + (7 * names[i].Length) + LegendMargin;
            if (x > LegendMargin && x + needed > width)
            {
                x = LegendMargin;
                line++;
            }

            places[i] = (x, line);
            x += needed;
        }

        return places;
    }

    // As many decimals as the step between ticks has, on all of them.
    private static string Label(double value, double[] ticks)
    {
        int decimals = Math.Clamp((int)Math.Ceiling(-Math.Log10(ticks[1] - ticks[0]) - 1e-9), 0, 9);
        return value.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    private static string Stroke(int series)
    {
        string dash = Dashes[series / Colours.Length % Dashes.Length];
        return $"stroke=\"{Colours[series % Colours.Length]}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"{(dash.Length == 0 ? "" : $" stroke-dasharray=\"{dash}\"")}";
    }

    private static string Pair(double x, double y) => string.Create(CultureInfo.InvariantCulture, $"{x:0.##},{y:0.##}");

    private static void Line(StringBuilder svg, double x1, double y1, double x2, double y2, string colour) =>
        svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{x1:0.##}" y1="{y1:0.##}" x2="{x2:0.##}" y2="{y2:0.##}" stroke="{colour}"/>""").Append('\n');

    private static void Text(StringBuilder svg, double x, double y, string anchor, string text, int size, string more = "") =>
        svg.Append(CultureInfo.InvariantCulture, $"""<text x="{x:0.##}" y="{y:0.##}" text-anchor="{anchor}" font-size="{size}" {more}>{SecurityElement.Escape(text)}</text>""").Append('\n');
}
