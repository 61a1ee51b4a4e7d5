using Xunit;

namespace VertFed.Architecture;

public sealed class StepMessageTests
{
    // Messages of steps.proto that are parts of a step.
    private static readonly string[] Parts = ["GuardResult"];

    [Fact]
    public void Every_step_has_a_message_of_its_name_in_the_same_order() =>
        Assert.Equal(StepNames.OfEnum(), StepNames.OfMessages().Except(Parts));

    [Fact]
    public void The_names_were_read()
    {
        Assert.Equal("KeyExchange", StepNames.Pascal("KEY_EXCHANGE"));
        Assert.Equal("KeyExchange", StepNames.OfEnum()[0]);
        Assert.True(StepNames.OfEnum().Count >= 15);
    }
}
