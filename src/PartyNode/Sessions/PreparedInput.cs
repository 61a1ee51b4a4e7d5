using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.Ids;

namespace VertFed.PartyNode.Sessions;

/// <summary>A party's input, loaded and checked before it answers an offer, so that bad input is a refusal and not a broken job.</summary>
internal sealed record PreparedInput(CsvTable Table, IdList Ids, byte[] Root)
{
    /// <summary>The model to score with; null in a job that trains one.</summary>
    public ScoringModel? Model { get; init; }

    /// <summary>The input of a score job: the model's columns and no others, and no label.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming file, line and column, a column of the model that the data
    /// does not have included.</exception>
    public static PreparedInput Load(PartyConfig config, JobSpecification specification, ScoringModel model, CancellationToken cancellationToken)
    {
        CsvOptions options = config.Data with { Label = null, Features = model.Half.Columns };
        CsvTable table = CsvLoader.Load(options, LabelKind.None, cancellationToken);
        return new PreparedInput(table, Normalise(table, specification), InputRoot.Of(table, options)) { Model = model };
    }

    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming file, line and column.</exception>
    public static PreparedInput Load(PartyConfig config, JobSpecification specification, CancellationToken cancellationToken)
    {
        LabelKind labels = config.Role == Role.FeatureParty
            ? LabelKind.None
            : specification.Family switch
            {
                Family.Logistic => LabelKind.Binary,
                Family.Poisson => LabelKind.Count,
                _ => LabelKind.Number,
            };
        CsvTable table = CsvLoader.Load(config.Data, labels, cancellationToken);
        return new PreparedInput(table, Normalise(table, specification), InputRoot.Of(table, config.Data));
    }

    private static IdList Normalise(CsvTable table, JobSpecification specification)
    {
        try
        {
            return IdList.Create(table.Ids, specification.ToMessage().Align);
        }
        catch (VertFedException error) when (error.Code == ErrorCode.BadInput)
        {
            // The list knows row numbers only; rows count from 1 below the header.
            throw new VertFedException(ErrorCode.BadInput, $"{table.File}: {error.Message}", error);
        }
    }
}
