using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using VertFed.Protocol;

namespace VertFed.Cli.Identities;

/// <summary>
/// `identity create|show|renew`: the P-256 key pair of a party, an analyst, an auditor, an operator or the coordinator, with its
/// certificate, and its fingerprint, which goes into the other sides' configuration files after it was compared over a channel that
/// people trust.
/// </summary>
internal static class IdentityCommand
{
    public static Command Create(Terminal terminal) => new("identity", "Make, show or renew an identity (a key pair and its certificate), and pin those of others.")
    {
        CreateCreate(terminal),
        CreateShow(terminal),
        CreateRenew(terminal),
        TrustCommands.CreateTrust(terminal),
        TrustCommands.CreateDistrust(terminal),
    };

    private static Command CreateCreate(Terminal terminal)
    {
        Argument<string> file = File();
        TermOptions terms = new();
        Option<bool> json = CommandLine.Json();
        Command command = new("create", "Make a key pair in a new file that only you may read, with a certificate beside it, and print its fingerprint.") { file, json };
        terms.AddTo(command);
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(file);
            if (System.IO.File.Exists(path))
            {
                throw Error.FileExists(path);
            }

            using Credential credential = Credential.Create(path, terms.Read(result, path, current: null));
            terminal.Output.WriteLine(result.GetValue(json) ? Json(credential) : credential.Fingerprint);
            return 0;
        });
        return command;
    }

    private static Command CreateShow(Terminal terminal)
    {
        Argument<string> file = File();
        Option<bool> json = CommandLine.Json();
        Command command = new("show", "Print the name, the fingerprint and the certificate's dates of an identity.") { file, json };
        command.SetAction(result =>
        {
            using Credential credential = Credential.Load(result.GetRequiredValue(file));
            terminal.Output.WriteLine(result.GetValue(json) ? Json(credential) : Text(credential));
            return 0;
        });
        return command;
    }

    private static Command CreateRenew(Terminal terminal)
    {
        Argument<string> file = File();
        TermOptions terms = new();
        Option<bool> json = CommandLine.Json();
        Command command = new("renew", "Make a new certificate over the same key: the fingerprint, and so the trust in it, stays.") { file, json };
        terms.AddTo(command);
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(file);
            string certificatePath = Credential.CertificatePath(path);
            Identity identity = Identity.Load(path);
            using IdentityCertificate? current = Current(certificatePath, identity);
            using Credential renewed = new(identity, IdentityCertificate.Create(identity, terms.Read(result, path, current)));
            renewed.Certificate.Save(certificatePath, replace: true);
            terminal.Output.WriteLine(result.GetValue(json) ? Json(renewed) : Text(renewed));
            return 0;
        });
        return command;
    }

    /// <summary>The certificate that is there; null where there is none.</summary>
    private static IdentityCertificate? Current(string certificatePath, Identity identity) =>
        System.IO.File.Exists(certificatePath) ? IdentityCertificate.Load(certificatePath, identity) : null;

    private static Argument<string> File() => new("FILE") { Description = "The key file (PEM); the certificate is beside it, with the ending .crt." };

    private static string Text(Credential credential) => string.Join(
        Environment.NewLine,
        $"name:        {Error.OneLine(credential.Certificate.Name)}",
        $"fingerprint: {credential.Fingerprint}",
        $"valid:       {Date(credential.Certificate.NotBefore)} to {Date(credential.Certificate.NotAfter)}");

    private static string Json(Credential credential) => JsonSerializer.Serialize(new
    {
        name = credential.Certificate.Name,
        fingerprint = credential.Fingerprint,
        not_before = Date(credential.Certificate.NotBefore),
        not_after = Date(credential.Certificate.NotAfter),
    });

    private static string Date(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>--name, --days and --host.</summary>
    private sealed class TermOptions
    {
        private readonly Option<string?> _name = new("--name")
        {
            Description = "The name in the certificate; default: the present one, or the file's name without its ending.",
            HelpName = "NAME",
        };

        private readonly Option<int> _days =
            Numbers.Between("--days", "How long the certificate is valid.", CertificateTerms.DefaultDays, 1, CertificateTerms.MostDays);

        private readonly Option<string[]> _hosts = new("--host")
        {
            Description = "A DNS name or IP address under which its holder listens; may be repeated. Default: those of the present certificate. localhost and 127.0.0.1 are always there.",
            HelpName = "HOST",
        };

        public void AddTo(Command command)
        {
            command.Options.Add(_name);
            command.Options.Add(_days);
            command.Options.Add(_hosts);
        }

        /// <param name="current">The certificate that is renewed: what is not given stays as it is there.</param>
        public CertificateTerms Read(ParseResult result, string path, IdentityCertificate? current) => new(
            result.GetValue(_name) ?? current?.Name ?? NameOf(path),
            result.GetValue(_days),
            result.GetValue(_hosts) is { Length: > 0 } hosts ? hosts : current?.Hosts);

        private static string NameOf(string path)
        {
            string name = Path.GetFileNameWithoutExtension(path).ToLowerInvariant();
            return PartyReference.IsName(name) ? name : "vertfed";
        }
    }
}
