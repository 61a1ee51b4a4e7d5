namespace VertFed.Protocol;

/// <summary>
/// Sending payloads in the clear, for one purpose: the control run that shows that the search for planted values in the
/// coordinator's files does find them when nothing is sealed.
/// </summary>
/// <remarks>
/// It takes three consents: the AppContext switch in the runtimeconfig.json of both processes (no command line, configuration
/// or message can set it), a job spec, signed by its submitter, that accepts disclosure risk, and a peer that does the same. The
/// channel then lists it among its <see cref="SealedChannel.Disclosures"/>, which every report prints.
/// </remarks>
internal static class InsecureUnsealed
{
    public const string SwitchName = "VertFed.Protocol.InsecureUnsealed";

    public static bool IsSwitchedOn => AppContext.TryGetSwitch(SwitchName, out bool on) && on;
}
