using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using VertFed.Cli.Jobs;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Audit;

/// <summary>`audit access`: the coordinator's log of who was let through to what, and who was turned away.</summary>
internal static class AccessCommand
{
    public static Command Create(Terminal terminal)
    {
        AccessOptions access = new();
        Option<long> first = Numbers.Between("--from", "The first line, by its number.", 1, 1, long.MaxValue);
        Option<int> limit = Numbers.Between("--limit", "How many lines.", 100, 1, 1000);
        Option<bool> json = CommandLine.Json();
        Command command = new("access", "List who submitted, cancelled, read reports or exported, and who was denied; for auditors and operators.") { first, limit, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using AuditClient client = new(caller);
            IReadOnlyList<AccessLine> lines = await client.AccessAsync(result.GetValue(first), result.GetValue(limit), cancellationToken);
            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(Json(lines));
            }
            else
            {
                terminal.OutputConsole().Write(Table(lines));
            }

            return 0;
        });
        return command;
    }

    private static string Json(IEnumerable<AccessLine> lines) => JsonSerializer.Serialize(new
    {
        lines = lines.Select(line => new
        {
            ordinal = line.Ordinal, time = Time(line), fingerprint = line.Fingerprint, name = line.Name, role = line.Role, call = line.Call,
            job = line.Job, allowed = line.Allowed, detail = line.Detail,
        }),
    });

    private static Table Table(IEnumerable<AccessLine> lines)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumns("No.", "Time (UTC)", "Who", "Role", "Call", "Job", "", "Why");
        foreach (AccessLine line in lines)
        {
            table.AddRow(
                line.Ordinal.ToString(CultureInfo.InvariantCulture), Time(line), Cell(line.Name.Length > 0 ? line.Name : line.Fingerprint), Cell(line.Role),
                Cell(line.Call), Cell(line.Job), line.Allowed ? "allowed" : "denied", Cell(line.Detail));
        }

        return table;
    }

    private static string Cell(string text) => Markup.Escape(Error.OneLine(text));

    private static string Time(AccessLine line) =>
        DateTimeOffset.FromUnixTimeMilliseconds(line.TimeUnixMs).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
