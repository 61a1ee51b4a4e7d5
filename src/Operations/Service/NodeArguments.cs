using VertFed.Protocol;

namespace VertFed.Operations.Service;

/// <summary>How a node's program is started: <c>--config FILE [--parent-pipe]</c>.</summary>
/// <param name="File">The configuration.</param>
/// <param name="HasParentPipe">Whether the node ends with its standard input.</param>
public sealed record NodeArguments(string File, bool HasParentPipe)
{
    /// <param name="usage">Closes each error.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public static NodeArguments Parse(IReadOnlyList<string> arguments, string usage)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        string? file = null;
        bool parentPipe = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--config" when file is null && i + 1 < arguments.Count:
                    file = arguments[++i];
                    break;
                case "--parent-pipe" when !parentPipe:
                    parentPipe = true;
                    break;
                default:
                    throw new VertFedException(ErrorCode.Usage, $"unexpected argument '{arguments[i]}'; {usage}");
            }
        }

        return file is null ? throw new VertFedException(ErrorCode.Usage, usage) : new NodeArguments(file, parentPipe);
    }
}
