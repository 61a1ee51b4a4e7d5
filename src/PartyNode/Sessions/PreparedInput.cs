using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.Ids;

namespace VertFed.PartyNode.Sessions;

/// <summary>A party's input, loaded and checked before it answers an offer, so that bad input is a refusal and not a broken job.</summary>
internal sealed record PreparedInput(RawTable Table, DatasetOptions Dataset, IdList Ids, byte[] Root)
{
    /// <summary>The model to score with; null in a job that trains one.</summary>
    public ScoringModel? Model { get; init; }

    /// <summary>What this party has under the name that the job gives public rows; null where the job names none, or this party has none of that name.</summary>
    public PublicRows? Public { get; init; }

    /// <summary>The input of a score job: the columns that the model was trained on and no others, understood as then, and no label.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming source, position and column, a column of the model that the
    /// data does not have included. <see cref="ErrorCode.Refused"/>: there is no such dataset.</exception>
    public static PreparedInput Load(PartyConfig config, JobSpecification specification, ScoringModel model, CancellationToken cancellationToken)
    {
        DatasetOptions dataset = config.Dataset(specification.Dataset) with
        {
            Label = null,
            Features = [.. model.Encoder.Sources.Select(column => column.Source)],
            Columns = model.Encoder.Sources.ToDictionary(column => column.Source, column => column.Declaration, StringComparer.Ordinal),
        };
        RawTable table = TableLoader.Load(dataset, LabelKind.None, cancellationToken);
        return new PreparedInput(table, dataset, Normalise(table, specification), InputRoot.Of(table, dataset)) { Model = model };
    }

    /// <summary>Loads the dataset that the job names.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming source, position and column.
    /// <see cref="ErrorCode.Refused"/>: there is no such dataset.</exception>
    public static PreparedInput Load(PartyConfig config, JobSpecification specification, CancellationToken cancellationToken)
    {
        LabelKind labels = config.Role == Role.FeatureParty
            ? LabelKind.None
            : specification.Horizontal is { } horizontal ? LabelsOf(horizontal.Model)
            : specification.Family switch
            {
                Family.Logistic => LabelKind.Binary,
                Family.Poisson => LabelKind.Count,
                _ => LabelKind.Number,
            };
        DatasetOptions dataset = config.Dataset(specification.Dataset);
        RawTable table = TableLoader.Load(dataset, labels, cancellationToken);
        return new PreparedInput(table, dataset, Normalise(table, specification), InputRoot.Of(table, dataset))
        {
            Public = specification.Horizontal?.PublicRows is { } named && config.PublicData.TryGetValue(named.Name, out SourceOptions? source)
                ? PublicRows.Load(source, dataset, table.Names, cancellationToken)
                : null,
        };
    }

    /// <summary>The labels of a horizontal job's model: its family comes before the hidden layers.</summary>
    private static LabelKind LabelsOf(string model) => model.Split(':', '/')[0] switch
    {
        "logistic" => LabelKind.Binary,
        "poisson" or "softmax" => LabelKind.Count,
        _ => LabelKind.Number,
    };

    private static IdList Normalise(RawTable table, JobSpecification specification)
    {
        try
        {
            // A horizontal job has no use for ids: one that is there twice is no fault.
            return IdList.Create(table.Ids, specification.ToMessage().Align ?? new AlignSpec { Duplicates = DuplicateIds.KeepFirst });
        }
        catch (VertFedException error) when (error.Code == ErrorCode.BadInput)
        {
            // The list knows row numbers only; in a file, rows count from 1 below the header.
            throw new VertFedException(ErrorCode.BadInput, $"{table.Source}: {error.Message}", error);
        }
    }
}
