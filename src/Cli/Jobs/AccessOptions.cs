using System.CommandLine;
using VertFed.Protocol;

namespace VertFed.Cli.Jobs;

/// <summary>The options of every command that calls the coordinator. Each has an environment variable that stands in for it.</summary>
internal sealed class AccessOptions
{
    private const string AddressVariable = "VERTFED_COORDINATOR";
    private const string PinVariable = "VERTFED_COORDINATOR_FINGERPRINT";
    private const string TrustVariable = "VERTFED_TRUST";
    private const string IdentityVariable = "VERTFED_IDENTITY";

    private readonly Option<string?> _address = new("--coordinator")
    {
        Description = $"The coordinator's address; default: {AddressVariable}.",
        HelpName = "URL",
    };

    private readonly Option<string?> _pin = new("--coordinator-fingerprint")
    {
        Description = $"Fingerprint of the coordinator's key, several separated by commas; default: {PinVariable}.",
        HelpName = "HEX",
    };

    private readonly Option<string?> _trust = new("--trust")
    {
        Description = $"Trust file that names the coordinator, for its address and key where they are not given otherwise; default: {TrustVariable}.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _identity = new("--identity")
    {
        Description = $"Your key file (PEM), with its certificate (.crt) beside it; default: {IdentityVariable}.",
        HelpName = "FILE",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_address);
        command.Options.Add(_pin);
        command.Options.Add(_trust);
        command.Options.Add(_identity);
    }

    /// <summary>What the options or the environment give; to be disposed of.</summary>
    /// <exception cref="VertFedException">Something is not given, malformed or unreadable (usage).</exception>
    public CoordinatorAccess Open(ParseResult result)
    {
        string? given = Value(result, _address, AddressVariable), pin = Value(result, _pin, PinVariable);
        // Read only where something is missing: a file that is gone stands in nobody's way who does not need it.
        TrustEntry? trusted = given is null || pin is null ? Trusted(result) : null;
        Uri address = trusted?.Address is { } known && given is null
            ? known
            : CoordinatorConnection.ParseAddress(Given(result, _address, AddressVariable, "The coordinator's address"));
        string[] pins = trusted is not null && pin is null
            ? [.. trusted.Fingerprints]
            : Given(result, _pin, PinVariable, "The fingerprint of the coordinator's key")
                .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (pins.Length == 0 || !Array.TrueForAll(pins, PeerIdentity.IsFingerprint))
        {
            throw Error.BadFingerprint("--coordinator-fingerprint");
        }

        return new CoordinatorAccess(address, pins, Credential.Load(Given(result, _identity, IdentityVariable, "Your key file")));
    }

    /// <summary>The coordinator of the trust file; null where none is given.</summary>
    private TrustEntry? Trusted(ParseResult result) => Value(result, _trust, TrustVariable) is not { } path
        ? null
        : TrustFile.Read(path).Coordinator ?? throw Error.NoCoordinator(path);

    /// <summary>An environment variable that is set to nothing counts as not set.</summary>
    private static string? Value(ParseResult result, Option<string?> option, string variable) =>
        result.GetValue(option) ?? (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? text : null);

    private static string Given(ParseResult result, Option<string?> option, string variable, string what) =>
        Value(result, option, variable) ?? throw Error.OptionMissing(option.Name, variable, what);
}
