using System.Text;
using System.Text.Json;
using VertFed.Protocol;

namespace VertFed.Operations.Doctor;

/// <summary>What a check came to.</summary>
public enum DoctorVerdict
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>The node runs, and somebody should look.</summary>
    Warn,

    /// <summary>The node does not run, or not safely, before this is mended.</summary>
    Fail,
}

/// <summary>One line of a doctor's report. Never a secret: no key, no password, no row.</summary>
/// <param name="Check">What was looked at, such as "certificate".</param>
/// <param name="Finding">What was found.</param>
/// <param name="Advice">What to do; empty where all is well.</param>
public sealed record DoctorLine(string Check, DoctorVerdict Verdict, string Finding, string Advice)
{
    public static DoctorLine Ok(string check, string finding) => new(check, DoctorVerdict.Ok, finding, "");

    public static DoctorLine Warn(string check, string finding, string advice) => new(check, DoctorVerdict.Warn, finding, advice);

    public static DoctorLine Fail(string check, string finding, string advice) => new(check, DoctorVerdict.Fail, finding, advice);
}

/// <summary>Runs checks one after the other and writes each line as a JSON object when it is known. A check that throws has failed; the others go on.</summary>
public sealed class DoctorReport(TextWriter output)
{
    private readonly List<DoctorLine> _lines = [];

    public IReadOnlyList<DoctorLine> Lines => _lines;

    /// <summary>Whether a check failed.</summary>
    public bool HasFailed => _lines.Exists(line => line.Verdict == DoctorVerdict.Fail);

    public void Add(DoctorLine line)
    {
        _lines.Add(line);
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteString("check", line.Check);
            json.WriteString("verdict", line.Verdict.ToString().ToLowerInvariant());
            json.WriteString("finding", line.Finding);
            json.WriteString("advice", line.Advice);
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length)));
        output.Flush();
    }

    /// <param name="advice">What to do where the check throws.</param>
    public Task CheckAsync(string check, string advice, Func<DoctorLine> run) => CheckAsync(check, advice, () => Task.FromResult(run()));

    /// <param name="advice">What to do where the check throws.</param>
    public async Task CheckAsync(string check, string advice, Func<Task<DoctorLine>> run)
    {
        try
        {
            Add(await run());
        }
        catch (VertFedException exception)
        {
            Add(DoctorLine.Fail(check, exception.Message, advice));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Add(DoctorLine.Fail(check, exception.Message, advice));
        }
        catch (Exception exception)
        {
            // Its message could quote what was read.
            Add(DoctorLine.Fail(check, $"unexpected {exception.GetType().Name}", advice));
        }
    }
}
