using System.CommandLine;
using VertFed.Protocol;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>The fingerprints that an auditor has from elsewhere, as options.</summary>
internal sealed class PinOptions
{
    private readonly Option<string?> _submitter = Pin("--submitter", "Fingerprint that the submitter's key must have.");
    private readonly Option<string?> _coordinator = Pin("--coordinator-key", "Fingerprint that the coordinator's identity must have.");
    private readonly Option<string?> _label = Pin("--label-party", "Fingerprint that the label party's identity must have.");
    private readonly Option<string?> _feature = Pin("--feature-party", "Fingerprint that the feature party's identity must have.");

    public void AddTo(Command command)
    {
        foreach (Option<string?> option in new[] { _submitter, _coordinator, _label, _feature })
        {
            command.Add(option);
        }
    }

    public VerifyOptions Read(ParseResult result) => new()
    {
        Submitter = result.GetValue(_submitter),
        Coordinator = result.GetValue(_coordinator),
        LabelParty = result.GetValue(_label),
        FeatureParty = result.GetValue(_feature),
    };

    private static Option<string?> Pin(string name, string description)
    {
        Option<string?> option = new(name) { Description = description, HelpName = "FINGERPRINT" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !PeerIdentity.IsFingerprint(result.Tokens[0].Value))
            {
                result.AddError($"{name} takes 64 lower-case hexadecimal digits.");
            }
        });
        return option;
    }
}
