using System.Text;
using System.Text.Json;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// One JSON object a line on standard output for whoever started the node: ready, connected, disconnected, answer, phase, progress,
/// aligned, iteration, job_end. Never an id, a value of a row or a key.
/// </summary>
public sealed class ProgressWriter(TextWriter output)
{
    private readonly Lock _gate = new();

    /// <summary>The node has registered with its coordinator for the first time.</summary>
    public void Ready(string party, string version) => Write("ready", json =>
    {
        json.WriteString("party", party);
        json.WriteString("version", version);
        json.WriteNumber("pid", Environment.ProcessId);
    });

    public void Connected() => Write("connected", _ => { });

    public void Disconnected(string reason, TimeSpan retryIn) => Write("disconnected", json =>
    {
        json.WriteString("reason", reason);
        json.WriteNumber("retry_seconds", Math.Round(retryIn.TotalSeconds, 3));
    });

    public void Answered(string job, bool accepted, string message) => Write("answer", json =>
    {
        json.WriteString("job", job);
        json.WriteBoolean("accepted", accepted);
        if (message.Length > 0)
        {
            json.WriteString("message", message);
        }
    });

    public void PhaseStarted(string job, Phase phase) => Write("phase", json =>
    {
        json.WriteString("job", job);
        json.WriteString("phase", Name(phase));
    });

    /// <summary>How far a long step is, in elements.</summary>
    public void Progress(string job, Step step, long done, long total) => Write("progress", json =>
    {
        json.WriteString("job", job);
        json.WriteString("step", step.ToString());
        json.WriteNumber("done", done);
        json.WriteNumber("total", total);
    });

    public void Aligned(string job, long ownRows, long peerRows, long rows) => Write("aligned", json =>
    {
        json.WriteString("job", job);
        json.WriteNumber("own_rows", ownRows);
        json.WriteNumber("peer_rows", peerRows);
        json.WriteNumber("rows", rows);
    });

    public void Iteration(string job, IterationProgress progress, long bytes) => Write("iteration", json =>
    {
        json.WriteString("job", job);
        json.WriteNumber("round", progress.Iteration);
        if (double.IsFinite(progress.GradientNorm))
        {
            json.WriteNumber("gradient_norm", progress.GradientNorm);
        }

        json.WriteNumber("pairs", progress.Pairs);
        json.WriteNumber("clipped_rows", progress.ClippedRows);
        json.WriteNumber("bytes", bytes);
    });

    public void JobEnded(string job, string status, JobError? error) => Write("job_end", json =>
    {
        json.WriteString("job", job);
        json.WriteString("status", status);
        if (error is not null)
        {
            json.WriteString("code", error.Code);
            json.WriteString("message", error.Message);
        }
    });

    internal static string Name(Phase phase) => phase switch
    {
        Phase.Session => "session",
        Phase.Align => "align",
        Phase.Train => "train",
        Phase.Evaluate => "evaluate",
        Phase.Close => "close",
        _ => "",
    };

    private void Write(string name, Action<Utf8JsonWriter> fields)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteString("event", name);
            fields(json);
            json.WriteEndObject();
        }

        string line = Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
        lock (_gate)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }
}
