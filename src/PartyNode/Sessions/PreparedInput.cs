using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.Ids;

namespace VertFed.PartyNode.Sessions;

/// <summary>A party's input, loaded and checked before it answers an offer, so that bad input is a refusal and not a broken job.</summary>
internal sealed record PreparedInput(RawTable Table, DatasetOptions Dataset, IdList Ids, byte[] Root)
{
    /// <summary>Loads the dataset that the job names; a score job needs no label, and none is read.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming source, position and column.
    /// <see cref="ErrorCode.Refused"/>: there is no such dataset.</exception>
    public static PreparedInput Load(PartyConfig config, JobSpecification specification, CancellationToken cancellationToken)
    {
        LabelKind labels = config.Role == Role.FeatureParty || specification.Kind == JobKind.Score
            ? LabelKind.None
            : specification.Family switch
            {
                Family.Logistic => LabelKind.Binary,
                Family.Poisson => LabelKind.Count,
                _ => LabelKind.Number,
            };
        DatasetOptions dataset = config.Dataset(specification.Dataset);
        RawTable table = TableLoader.Load(dataset, labels, cancellationToken);
        return new PreparedInput(table, dataset, Normalise(table, specification), InputRoot.Of(table, dataset));
    }

    private static IdList Normalise(RawTable table, JobSpecification specification)
    {
        try
        {
            return IdList.Create(table.Ids, specification.ToMessage().Align);
        }
        catch (VertFedException error) when (error.Code == ErrorCode.BadInput)
        {
            // The list knows row numbers only; in a file, rows count from 1 below the header.
            throw new VertFedException(ErrorCode.BadInput, $"{table.Source}: {error.Message}", error);
        }
    }
}
