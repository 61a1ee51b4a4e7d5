using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// What an analyst writes. Only the parties and the family have no default:
/// <code>
/// version: 1
/// job: 0123456789abcdef0123456789abcdef   # drawn if absent
/// kind: train                             # or score, or horizontal (HorizontalYaml)
/// purpose: credit-risk                    # a word that the parties' policies may ask for; default none
/// dataset: default                        # which of the parties' data sources
/// title: Uplift of retail data
/// label_party:   { name: bank,     fingerprint: 64 hexadecimal digits }
/// feature_party: { name: retailer, fingerprint: 64 hexadecimal digits }
/// align:
///   normalisation: [trim, nfc, case_insensitive, digits_only]   # in this order, those that are wanted; default none
///   duplicates: refuse                                          # or keep_first
/// train:
///   family: logistic                                            # or linear, poisson
///   l2: 1e-3
///   max_iterations: 30
/// score:                                                        # instead of train, with kind: score
///   model: fedcba9876543210fedcba9876543210                     # the job that trained the model
/// holdout: 0.2                                                  # a score job has none
/// accept_disclosure_risk: false
/// deadline_seconds: 600
/// payloads: full                                                # or hashes: what the coordinator keeps after delivery
/// </code>
/// </summary>
public static class JobSpecificationYaml
{
    private static readonly Dictionary<string, JobKind> Kinds = new(StringComparer.Ordinal)
    {
        ["train"] = JobKind.Train,
        ["score"] = JobKind.Score,
        ["horizontal"] = JobKind.Horizontal,
    };

    private static readonly Dictionary<string, Family> Families = new(StringComparer.Ordinal)
    {
        ["logistic"] = Family.Logistic,
        ["linear"] = Family.Linear,
        ["poisson"] = Family.Poisson,
    };

    private static readonly Dictionary<string, DuplicateIds> DuplicateRules = new(StringComparer.Ordinal)
    {
        ["refuse"] = DuplicateIds.Refuse,
        ["keep_first"] = DuplicateIds.KeepFirst,
    };

    private static readonly Dictionary<string, Payloads> PayloadWords = new(StringComparer.Ordinal)
    {
        ["full"] = Payloads.Full,
        ["hashes"] = Payloads.Hashes,
    };

    private static readonly Dictionary<string, IdNormalisation> Normalisations = new(StringComparer.Ordinal)
    {
        ["trim"] = IdNormalisation.Trim,
        ["nfc"] = IdNormalisation.Nfc,
        ["case_insensitive"] = IdNormalisation.CaseInsensitive,
        ["digits_only"] = IdNormalisation.DigitsOnly,
    };

    /// <summary>Reads and validates a spec file.</summary>
    /// <param name="otherwise">The job's id where the file gives none; null: one is drawn.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, with file, line and field.</exception>
    public static JobSpecification Load(string path, string? otherwise = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (file.Length > Limits.MaxSpecBytes)
            {
                throw Error.Usage($"{path}: longer than {Limits.MaxSpecBytes} bytes.");
            }

            using StreamReader reader = new(
                file, new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true));
            return Parse(reader.ReadToEnd(), path, otherwise);
        }
        catch (System.Text.DecoderFallbackException e)
        {
            throw Error.Usage($"{path}: not UTF-8 text.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads and validates a spec's text.</summary>
    /// <param name="file">The name that errors show.</param>
    /// <param name="otherwise">The job's id where the text gives none; null: one is drawn.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, with file, line and field.</exception>
    public static JobSpecification Parse(string text, string file, string? otherwise = null)
    {
        YamlFields root = new(StrictYaml.Parse(text, file), file, "");
        JobKind kind = root.Word("kind", JobKind.Train, Kinds);
        bool vertical = kind != JobKind.Horizontal;
        YamlFields? align = vertical ? root.Map("align") : null;
        YamlFields? horizontal = vertical ? null : root.Map("horizontal") ?? throw root.Wrong("horizontal", "is missing");
        YamlFields? train = vertical ? root.Map("train") : null;
        YamlFields? score = vertical ? root.Map("score") : null;
        string dataset = root.Text("dataset") ?? "";
        JobSpec spec = new()
        {
            Version = root.Count("version", JobSpecification.CurrentVersion),
            Job = root.Text("job") ?? otherwise ?? JobIds.Draw(),
            Kind = kind,
            LabelParty = vertical ? Party(root, "label_party") : null,
            FeatureParty = vertical ? Party(root, "feature_party") : null,
            Align = vertical ? new AlignSpec { Duplicates = align?.Word("duplicates", DuplicateIds.Refuse, DuplicateRules) ?? DuplicateIds.Refuse } : null,
            Parties = { vertical ? [] : root.Maps("parties").Select(Party) },
            Horizontal = horizontal is null ? null : HorizontalYaml.Read(horizontal),
            Train = train is null ? null : new TrainSpec
            {
                Family = train.Has("family") ? train.Word("family", Family.Logistic, Families) : throw train.Wrong("family", "is missing"),
                L2 = train.Number("l2", 1e-3),
                MaxIterations = train.Count("max_iterations", 30),
            },
            Score = score is null ? null : new ScoreSpec { Model = score.Text("model") ?? throw score.Wrong("model", "is missing") },
            Holdout = root.Number("holdout", kind == JobKind.Score ? 0 : 0.2),
            AcceptDisclosureRisk = root.Flag("accept_disclosure_risk", otherwise: false),
            DeadlineSeconds = root.Count("deadline_seconds", 600),
            Title = root.Text("title") ?? "",
            Payloads = root.Word("payloads", Payloads.Full, PayloadWords),
            Purpose = root.Text("purpose") ?? "",
            Dataset = dataset == JobSpecification.DefaultDataset ? "" : dataset,
        };
        foreach (string word in align?.Words("normalisation") ?? [])
        {
            spec.Align!.Normalisation.Add(align!.Meaning("normalisation", word, Normalisations));
        }

        align?.Done();
        train?.Done();
        score?.Done();
        horizontal?.Done();
        root.Done();
        if (JobSpecification.FirstFault(spec) is not var (field, wrong))
        {
            return JobSpecification.FromMessage(spec);
        }

        string[] names = field.Split('.');
        YamlFields? owner = names[0] switch
        {
            "train" => train,
            "align" => align,
            "score" => score,
            "horizontal" => horizontal,
            _ => null,
        };
        long line = (names.Length > 1 ? owner?.LineOf(names[1]) : null) ?? root.LineOf(names[0].Split('[')[0]);
        throw StrictYaml.Wrong(file, line, $"{field} {wrong}");
    }

    private static PartyRef Party(YamlFields root, string key) => Party(root.Map(key) ?? throw root.Wrong(key, "is missing"));

    private static PartyRef Party(YamlFields party)
    {
        string fingerprint = party.Text("fingerprint") ?? throw party.Wrong("fingerprint", "is missing");
        if (!PeerIdentity.IsFingerprint(fingerprint))
        {
            throw party.Wrong("fingerprint", "is not 64 lower-case hexadecimal digits");
        }

        PartyRef reference = new()
        {
            Name = party.Text("name") ?? throw party.Wrong("name", "is missing"),
            Fingerprint = ByteString.CopyFrom(Convert.FromHexString(fingerprint)),
        };
        party.Done();
        return reference;
    }
}
