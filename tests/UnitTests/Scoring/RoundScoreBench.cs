using System.Text;
using Google.Protobuf;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.PartyNode;

namespace VertFed.UnitTests.Scoring;

/// <summary>A model of a horizontal job over numbers, categories and missing values, as the party that trained it keeps it, and rows to score.</summary>
internal static class RoundScoreBench
{
    public const string Job = "00000000000000000000000000000005";

    /// <summary>What the columns are encoded into: the mean of the training ages is 40, region a and kind x are the reference levels.</summary>
    public static readonly string[] Columns = ["age", "age=(missing)", "income", "region=b", "region=(other)", "region=(missing)", "kind=y"];

    public static readonly double[] Means = [40, 0.25, 2, 0.5, 0.125, 0.125, 0.5];

    public static readonly double[] Deviations = [10, 0.5, 0.75, 0.5, 0.25, 0.375, 0.5];

    private const string Training = "id,y,age,income,region,kind\n1,0,30,1.5,a,x\n2,1,50,2,b,y\n3,0,,3,c,x\n4,1,40,1.5,,x\n5,0,40,2.5,a,y\n";

    /// <summary>The training columns as a party declares them.</summary>
    public static DatasetOptions Dataset(string path = "new.csv") => new()
    {
        Source = new CsvSource { Path = path },
        Label = "y",
        Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal)
        {
            ["age"] = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Mean },
            ["region"] = new() { Kind = ColumnKind.Categorical, Missing = MissingRule.Level, Reference = "a", Levels = ["a", "b"] },
            ["kind"] = new() { Kind = ColumnKind.Categorical, Reference = "x", Levels = ["x", "y"] },
        },
    };

    public static JobSpecification Specification(string model, ScalingChoice scaling = ScalingChoice.Federated, string personal = "")
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = Job,
            Kind = JobKind.Horizontal,
            Title = "pooled",
            Holdout = personal.Length > 0 ? 0.25 : 0,
            DeadlineSeconds = 60,
            Payloads = Payloads.Full,
            Horizontal = new HorizontalSpec
            {
                Model = model,
                Strategy = "fedavg",
                Rounds = 4,
                Epochs = 1,
                Rate = 0.5,
                Optimiser = OptimiserChoice.Sgd,
                OverSelection = 1,
                RoundDeadlineSeconds = 20,
                SecureAggregation = SumProtection.None,
                Compression = "none",
                Scaling = scaling,
                Personal = personal,
            },
        };
        spec.Parties.AddRange(new[] { "bank", "retailer", "insurer" }.Select((name, i) => new PartyRef { Name = name, Fingerprint = ByteString.CopyFrom(Root((byte)(i + 1))) }));
        return JobSpecification.FromMessage(spec);
    }

    /// <summary>Numbers that are neither round nor small, so that a column or a layer in a wrong place shows.</summary>
    public static double[] Parameters(string model)
    {
        int length = JobPlan.ModelOf(model, Columns.Length).Layout.Length;
        return [.. Enumerable.Range(0, length).Select(i => (((i * 37) % 23) - 11) / 7.0)];
    }

    /// <summary>model.json as the node writes it.</summary>
    public static byte[] Model(string model, ScalingChoice scaling = ScalingChoice.Federated) => RoundPart.Model(Specification(model, scaling), Result(model));

    /// <summary>personal.json as the node writes it, with half of the parameters' values.</summary>
    public static byte[] Personal(string model)
    {
        RoundResult result = Result(model);
        return RoundPart.PersonalModel(
            Specification(model, personal: "fine-tune:3"), result with { Personal = new PersonalResult("fine-tune:3", [.. result.Parameters.Select(value => value / 2)], result.Measured) })!;
    }

    public static RoundModelFile Parsed(string model, ScalingChoice scaling = ScalingChoice.Federated) => RoundModelFile.Parse(Model(model, scaling), "model.json");

    /// <summary>E[y] by the formulas alone: loops, Math.Exp, and nothing of the library.</summary>
    /// <param name="row">Encoded, unscaled.</param>
    public static double[] Expected(string model, double[] row, bool scales = true)
    {
        string[] words = model.Split('/');
        string[] family = words[0].Split(':');
        string[] layers = words.Length > 1 ? words[1].Split(':') : ["", ""];
        int outputs = family.Length > 1 ? int.Parse(family[1], System.Globalization.CultureInfo.InvariantCulture) : 1;
        int[] widths = [.. layers[1].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(width => int.Parse(width, System.Globalization.CultureInfo.InvariantCulture)), outputs];
        double[] parameters = Parameters(model);
        double[] input = [.. row.Select((value, i) => scales ? (value - Means[i]) / Deviations[i] : value)];
        int at = 0;
        for (int layer = 0; layer < widths.Length; layer++)
        {
            double[] output = new double[widths[layer]];
            for (int unit = 0; unit < output.Length; unit++)
            {
                output[unit] = input.Select((value, i) => value * parameters[at + (unit * input.Length) + i]).Sum() + parameters[at + (output.Length * input.Length) + unit];
                if (layer < widths.Length - 1)
                {
                    output[unit] = layers[0] == "tanh" ? Math.Tanh(output[unit]) : Math.Max(0, output[unit]);
                }
            }

            at += output.Length * (input.Length + 1);
            input = output;
        }

        double sum = input.Sum(Math.Exp);
        return family[0] switch
        {
            "logistic" => [1 / (1 + Math.Exp(-input[0]))],
            "poisson" => [Math.Exp(input[0])],
            "softmax" => [.. input.Select(value => Math.Exp(value) / sum)],
            _ => input,
        };
    }

    public static byte[] Root(byte value) => [.. Enumerable.Repeat(value, 32)];

    public static RoundResult Result(string model)
    {
        RawTable table = Tables.Load(new MemoryStream(Encoding.UTF8.GetBytes(Training)), Dataset("train.csv"));
        ColumnEncoder encoder = ColumnEncoder.Fit(table.Columns, new bool[table.Rows], Dataset(), "train.csv");
        FinalModel final = new() { Rounds = 4, Means = { Means }, Deviations = { Deviations }, Parameters = { Parameters(model) } };
        return new RoundResult(final, encoder, table.Rows, new Evaluation(table.Rows, 0.5, 0.7, 0.8), OnTestRows: false, "auc", Epsilon: 0)
        {
            Parameters = Parameters(model), TranscriptRoot = Root(9),
        };
    }
}
