using System.Globalization;
using System.Text.Json;
using VertFed.PartyNode.Policies;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Control;

/// <summary>Jobs and their pre-flight reports as text for the operator's terminal.</summary>
internal static class ControlText
{
    private const int LongestCell = 200;

    public static void WriteJobs(IReadOnlyList<NodeJob> jobs, TextWriter output)
    {
        if (jobs.Count == 0)
        {
            output.WriteLine("No jobs.");
        }

        foreach (NodeJob job in jobs)
        {
            output.WriteLine($"{job.Job}  {StateOf(job),-9}  {PartyPolicy.NameOf(job.Kind),-5}  {Time(job.ReceivedUnixMs)}  {job.Peer}  {Shown(job.Title)}");
        }
    }

    public static void WritePrivacy(NodePrivacy privacy, TextWriter output)
    {
        if (privacy.Datasets.Count == 0)
        {
            output.WriteLine("No horizontal job under privacy so far.");
        }

        foreach (NodeDatasetPrivacy one in privacy.Datasets)
        {
            string open = one.Promised > one.Spent ? string.Create(CultureInfo.InvariantCulture, $", with open jobs up to {one.Promised:0.###}") : "";
            string budget = one.Budget > 0 ? string.Create(CultureInfo.InvariantCulture, $" of {one.Budget:0.###}") : "";
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{one.Dataset}: epsilon {one.Spent:0.###}{budget} at delta {one.Delta:g2} for a row, in {one.Rounds} rounds of {one.Jobs} {(one.Jobs == 1 ? "job" : "jobs")}{open}"));
        }
    }

    /// <param name="whole">With the rules.</param>
    public static void WriteJob(NodeJob job, bool whole, TextWriter output)
    {
        output.WriteLine($"job        {job.Job}");
        output.WriteLine($"state      {StateOf(job)}{(job.Error is { } error ? $" ({error.Code}: {Shown(error.Message)})" : "")}");
        if (job.DecideBeforeUnixMs > 0)
        {
            output.WriteLine($"approve    before {Time(job.DecideBeforeUnixMs)}");
        }

        if (job.HasApproved)
        {
            output.WriteLine($"decision   {(job.Approved ? "approved" : "refused")}{(job.Reason.Length > 0 ? $": {Shown(job.Reason)}" : "")}");
        }

        if (!whole)
        {
            return;
        }

        output.WriteLine($"kind       {PartyPolicy.NameOf(job.Kind)}");
        output.WriteLine($"title      {Shown(job.Title)}");
        output.WriteLine($"purpose    {job.Purpose}");
        output.WriteLine($"peer       {job.Peer}");
        output.WriteLine($"submitter  {job.Submitter}");
        output.WriteLine($"received   {Time(job.ReceivedUnixMs)}");
        if (job.Preflight.Length > 0)
        {
            using JsonDocument preflight = JsonDocument.Parse(job.Preflight);
            WritePreflight(preflight.RootElement, output);
        }
    }

    private static void WritePreflight(JsonElement preflight, TextWriter output)
    {
        if (preflight.GetProperty("data") is { ValueKind: JsonValueKind.Object } data)
        {
            output.WriteLine($"data       {data.GetProperty("dataset").GetString()}: {data.GetProperty("rows").GetInt64()} rows, {data.GetProperty("columns").GetInt32()} columns");
        }

        if (preflight.GetProperty("estimate") is { ValueKind: JsonValueKind.Object } estimate)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"estimate   about {estimate.GetProperty("seconds").GetDouble():0} s and {estimate.GetProperty("bytes").GetInt64() / 1e6:0.0} MB ({estimate.GetProperty("basis").GetString()})"));
        }

        output.WriteLine("rules");
        foreach (JsonElement rule in preflight.GetProperty("rules").EnumerateArray())
        {
            output.WriteLine($"  {rule.GetProperty("verdict").GetString(),-8} {rule.GetProperty("name").GetString(),-26} {rule.GetProperty("reason").GetString()}".TrimEnd());
        }
    }

    private static string StateOf(NodeJob job) => job.DecideBeforeUnixMs > 0 ? "held" : job.State.ToString().ToLowerInvariant();

    private static string Time(long unixMs) =>
        DateTimeOffset.FromUnixTimeMilliseconds(unixMs).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>Text from outside, without what a terminal would act on.</summary>
    private static string Shown(string text) => string.Concat(text.Take(LongestCell).Select(c => char.IsControl(c) ? ' ' : c));
}
