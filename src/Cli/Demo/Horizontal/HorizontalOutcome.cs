using System.Text.Json.Serialization;
using VertFed.Cli.Jobs;
using VertFed.Cli.Reports;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>Reads what the job left at the coordinator and at the nodes, and holds the model to the centralised fit.</summary>
internal static class HorizontalOutcome
{
    /// <summary>How far below the centralised fit's AUC the joint model of `fedavg` may stay.</summary>
    public const double Tolerance = 0.002;

    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    /// <summary>The coordinator's report once it has the parts of all parties, which come moments after the job's end.</summary>
    public static async Task<ReportResponse> FetchAsync(JobClient client, string job, CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        ReportResponse report = await client.ReportAsync(job, cancellationToken);
        while (report.Parts.Count < HorizontalDemoOptions.Nodes.Count && TimeProvider.System.GetElapsedTime(start) < s_settling)
        {
            await Task.Delay(s_pause, cancellationToken);
            report = await client.ReportAsync(job, cancellationToken);
        }

        return report;
    }

    /// <summary>Compares on the holdout.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: a node has another model than the others.</exception>
    public static HoldoutComparison Compare(DemoFolder folder, string job, HorizontalDemoOptions options, HorizontalTable table)
    {
        NodeModel[] models = [.. HorizontalDemoOptions.Nodes.Select(node => Model(folder, node, job))];
        NodeModel joint = models[0];
        for (int node = 1; node < models.Length; node++)
        {
            if (!models[node].Parameters.AsSpan().SequenceEqual(joint.Parameters) || !models[node].Columns.SequenceEqual(joint.Columns, StringComparer.Ordinal))
            {
                throw Error.Job(ErrorCode.Internal, "The node has another model than the first one.", HorizontalDemoOptions.Nodes[node]);
            }
        }

        if (!joint.Columns.SequenceEqual(table.Names, StringComparer.Ordinal))
        {
            throw Error.Job(ErrorCode.Internal, "The model's columns are not those of the table.", HorizontalDemoOptions.Nodes[0]);
        }

        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, table.Names.Length);
        Evaluation ours = Evaluation.Of(model, joint.Parameters, Scaled(table.Test, joint.Means, joint.Deviations));
        FederatedScaling scaling = FederatedScaling.FromSum(FederatedScaling.Contribution(table.Train));
        double[] fitted = CentralLogistic.Fit(model, scaling.Apply(table.Train), HorizontalDemoOptions.L2);
        Evaluation central = Evaluation.Of(model, fitted, scaling.Apply(table.Test));
        double difference = ours.Score - central.Score;
        return new HoldoutComparison(
            ours.Rows, Finite(ours.Score), ours.Loss, Finite(central.Score), central.Loss, Finite(difference), options.Strategy == "fedavg" ? Tolerance : null);
    }

    /// <summary>Whether the model is near the centralised one, or not held to it.</summary>
    public static bool IsNear(HoldoutComparison test) => test.Tolerance is not { } tolerance || test.Difference >= -tolerance;

    private static NodeModel Model(DemoFolder folder, string node, string job)
    {
        string path = Path.Combine(folder.NodeData(node), "jobs", job, "model.json");
        return File.Exists(path)
            ? HorizontalJson.Read(File.ReadAllBytes(path), path, NodeModelJson.Default.NodeModel)
            : throw Error.Job(ErrorCode.Internal, "The node has no copy of the model.", node);
    }

    private static Examples Scaled(Examples rows, double[] means, double[] deviations)
    {
        double[] features = new double[rows.Count * rows.Features];
        for (int i = 0; i < features.Length; i++)
        {
            int column = i % rows.Features;
            features[i] = (rows.Row(i / rows.Features)[column] - means[column]) / deviations[column];
        }

        return Examples.FromRows(features, rows.Labels(), rows.Features);
    }

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;
}

/// <summary>A party's copy of the model, as far as the comparison needs it.</summary>
internal sealed record NodeModel(IReadOnlyList<string> Columns, double[] Means, double[] Deviations, double[] Parameters);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, AllowDuplicateProperties = false, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(NodeModel))]
internal sealed partial class NodeModelJson : JsonSerializerContext;
