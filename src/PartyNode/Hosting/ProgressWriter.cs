using System.Text;
using System.Text.Json;
using VertFed.PartyNode.Replay;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// One JSON object a line on standard output for whoever started the node: ready, connected, disconnected, held, answer, phase, progress,
/// aligned, iteration, round, privacy, job_end; under replay, replay_progress and replay. Never an id, a value of a row or a key.
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

    /// <summary>The operator is asked.</summary>
    public void Held(string job, DateTimeOffset decideBefore) => Write("held", json =>
    {
        json.WriteString("job", job);
        json.WriteNumber("decide_before_unix_ms", decideBefore.ToUnixTimeMilliseconds());
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

    /// <summary>How many of a party's recorded envelopes a replay has reached; told at most a hundred times.</summary>
    public void Replayed(string party, long reached, long recorded)
    {
        if (recorded < 100 || reached % (recorded / 100) == 0)
        {
            Write("replay_progress", json =>
            {
                json.WriteString("party", party);
                json.WriteNumber("reached", reached);
                json.WriteNumber("recorded", recorded);
            });
        }
    }

    /// <summary>The outcome of a replay.</summary>
    /// <param name="withModel">Whether the replayed half of the model is shown.</param>
    public void Replay(ReplayVerdict verdict, bool withModel) => Write("replay", json =>
    {
        json.WriteString("party", verdict.Party);
        json.WriteBoolean("faithful", verdict.IsFaithful);
        json.WriteNumber("matched", verdict.Matched);
        json.WriteNumber("recorded", verdict.Recorded);
        json.WriteString("difference", verdict.Difference);
        if (verdict.Divergence is { } where)
        {
            json.WriteStartObject("divergence");
            json.WriteString("sender", where.Sender.ToString());
            json.WriteNumber("sequence", where.Sequence);
            json.WriteString("step", where.Step.ToString());
            json.WriteNumber("round", where.Round);
            json.WriteString("field", where.Field);
            json.WriteNumber("entry", verdict.Entry ?? -1);
            json.WriteEndObject();
        }
        else if (verdict.Rounds is { } rounds)
        {
            json.WriteStartObject("divergence");
            json.WriteString("sender", verdict.Party);
            json.WriteNumber("sequence", rounds.Entry.Header.Sequence);
            json.WriteString("step", rounds.Entry.Header.Step.ToString());
            json.WriteNumber("round", rounds.Entry.Header.Round);
            json.WriteString("field", rounds.Field);
            json.WriteNumber("entry", rounds.Entry.Index);
            json.WriteEndObject();
        }

        json.WriteString("ending", verdict.Ending);
        json.WriteString("model", verdict.Model switch { ModelFinding.Same => "same", ModelFinding.Differs => "differs", _ => "none" });
        json.WriteNumber("seconds", Math.Round(verdict.Seconds, 3));
        if (withModel && verdict.ReplayedModel is { } model)
        {
            json.WritePropertyName("replayed_model");
            using JsonDocument document = JsonDocument.Parse(model);
            document.RootElement.WriteTo(json);
        }
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

    /// <summary>A round of a horizontal job is worked on.</summary>
    public void Round(string job, uint round) => Write("round", json =>
    {
        json.WriteString("job", job);
        json.WriteNumber("round", round);
    });

    /// <summary>A round's answer was paid for.</summary>
    /// <param name="epsilon">What the job has come to, for what its level protects.</param>
    public void Privacy(string job, uint round, double epsilon) => Write("privacy", json =>
    {
        json.WriteString("job", job);
        json.WriteNumber("round", round);
        json.WriteNumber("epsilon", epsilon);
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
