using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>What follows from a role alone.</summary>
public static class RoleExtensions
{
    /// <summary>The role of the other of a job's two parties; for no role at all, the label party's.</summary>
    public static Role Other(this Role role) => role == Role.LabelParty ? Role.FeatureParty : Role.LabelParty;
}
