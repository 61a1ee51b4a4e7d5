using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.PartyNode.Replay;

/// <summary>
/// <c>replay TRANSCRIPT --config FILE [--with-model]</c>: replays this party's side of a transcript. JSON events go to standard output, the
/// last of them the verdict; logs to standard error. Ends with 0 where all came out as recorded, with 8 where something did not.
/// </summary>
public static class ReplayCommand
{
    /// <summary>The word that leads here instead of to a running node.</summary>
    public const string Name = "replay";

    private const string Usage = "usage: party replay TRANSCRIPT --config FILE [--with-model]";

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken cancellationToken)
    {
        try
        {
            (string transcript, string file, bool withModel) = Parse(arguments);
            PartyConfig config = PartyConfig.Load(file);
            using Identity identity = Identity.Load(config.IdentityPath);
            ProgressWriter progress = new(output);
            ReplayVerdict verdict = TranscriptFormat.IsHorizontal(transcript)
                ? await RunRoundsAsync(transcript, config, identity, progress, cancellationToken)
                : await RunAsync(transcript, config, identity, progress, new NodeLog(errors, TimeProvider.System), cancellationToken);
            progress.Replay(verdict, withModel);
            return verdict.IsFaithful ? 0 : (int)ErrorCode.Diverges;
        }
        catch (VertFedException exception)
        {
            await errors.WriteLineAsync($"error: {exception.Message}");
            return (int)exception.Code;
        }
    }

    private static async Task<ReplayVerdict> RunAsync(
        string transcript, PartyConfig config, Identity identity, ProgressWriter progress, NodeLog log, CancellationToken cancellationToken)
    {
        using TranscriptIndex index = await TranscriptIndex.OpenAsync(transcript, cancellationToken);
        await using IPartyStore store = config.Database.OpenPartyReadOnly(PartyCommand.SecretsOf(config));
        return await new Replayer(config, identity, store, progress, log).RunAsync(index, cancellationToken);
    }

    private static async Task<ReplayVerdict> RunRoundsAsync(
        string transcript, PartyConfig config, Identity identity, ProgressWriter progress, CancellationToken cancellationToken)
    {
        using RoundIndex index = await RoundIndex.OpenAsync(transcript, cancellationToken);
        await using IPartyStore store = config.Database.OpenPartyReadOnly(PartyCommand.SecretsOf(config));
        return await new RoundReplayer(config, identity, store, progress).RunAsync(index, cancellationToken);
    }

    private static (string Transcript, string Config, bool WithModel) Parse(IReadOnlyList<string> arguments)
    {
        string? transcript = null;
        string? config = null;
        bool withModel = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--config" when config is null && i + 1 < arguments.Count:
                    config = arguments[++i];
                    break;
                case "--with-model" when !withModel:
                    withModel = true;
                    break;
                case { } word when transcript is null && !word.StartsWith('-'):
                    transcript = word;
                    break;
                default:
                    throw new VertFedException(ErrorCode.Usage, $"unexpected argument '{arguments[i]}'; {Usage}");
            }
        }

        return transcript is null || config is null ? throw new VertFedException(ErrorCode.Usage, Usage) : (transcript, config, withModel);
    }
}
