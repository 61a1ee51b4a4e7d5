using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>The order of entries, field by field.</summary>
public sealed class CanonicalOrderTests
{
    [Fact]
    public void Phase_round_step_sender_and_number_decide_in_this_order()
    {
        EnvelopeHeader[] ascending =
        [
            Header(Phase.Session, 9, Step.JobClose, Role.FeatureParty, 9),
            Header(Phase.Train, 0, Step.LossScalar, Role.FeatureParty, 8),
            Header(Phase.Train, 1, Step.ResidualShare, Role.FeatureParty, 7),
            Header(Phase.Train, 1, Step.MaskedScalars, Role.LabelParty, 6),
            Header(Phase.Train, 1, Step.MaskedScalars, Role.FeatureParty, 4),
            Header(Phase.Train, 1, Step.MaskedScalars, Role.FeatureParty, 5),
            Header(Phase.Train, 2, Step.LinkTables, Role.LabelParty, 0),
        ];

        Assert.Equal(ascending, ascending.Reverse().Order(CanonicalOrder.Instance));
        Assert.Equal(0, CanonicalOrder.Instance.Compare(ascending[3], ascending[3].Clone()));
    }

    private static EnvelopeHeader Header(Phase phase, uint round, Step step, Role sender, ulong sequence) =>
        new() { Phase = phase, Round = round, Step = step, Sender = sender, Sequence = sequence };
}
