using System.Security.Cryptography;

namespace VertFed.Horizontal.SecureAggregation;

/// <summary>The announced keys of a secure sum, checked alike by the server and by every client.</summary>
internal static class KeyRing
{
    /// <exception cref="HorizontalException">Fewer than the threshold, strangers, a client or key twice, or a point off the curve.</exception>
    public static SortedDictionary<int, KeyAnnouncement> Check(SecureSumPlan plan, IReadOnlyList<KeyAnnouncement> announcements)
    {
        Throw.If(
            announcements.Count < plan.Threshold,
            HorizontalError.TooFewClients,
            $"The secure sum needs {plan.Threshold} clients; {announcements.Count} have announced keys.");
        var keys = new SortedDictionary<int, KeyAnnouncement>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (KeyAnnouncement announcement in announcements)
        {
            CheckOne(plan, announcement);
            Throw.If(!keys.TryAdd(announcement.Client, announcement), HorizontalError.Repeated, $"Client {announcement.Client} has announced keys twice.");
            Throw.If(
                !seen.Add(Convert.ToHexString(announcement.MaskKey)) || !seen.Add(Convert.ToHexString(announcement.SealingKey)),
                HorizontalError.CheckFailed,
                $"Client {announcement.Client} has announced a key that is there already.");
        }

        return keys;
    }

    public static void CheckOne(SecureSumPlan plan, KeyAnnouncement announcement)
    {
        Throw.If(
            announcement.Client < 0 || announcement.Client >= plan.Roster, HorizontalError.UnknownClient, $"Client {announcement.Client} is not in the roster.");
        AgreementKey.Check(announcement.SealingKey);
        AgreementKey.Check(announcement.MaskKey);
        Throw.If(
            announcement.SelfMaskHash.Length != SHA256.HashSizeInBytes,
            HorizontalError.CheckFailed,
            $"Client {announcement.Client}'s commitment to its self mask does not have {SHA256.HashSizeInBytes} bytes.");
    }
}
