using System.Security.Cryptography;
using System.Text;

namespace VertFed.Protocol;

/// <summary>The id of a job that nobody gave one.</summary>
public static class JobIds
{
    private const int Bytes = 16;

    /// <summary>Drawn at random.</summary>
    public static string Draw() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>
    /// The id of a request that its submitter has named, so that repeating it is the same job: the first 16 bytes of
    /// SHA-256("vertfed/v1/job-id" || submitter's SubjectPublicKeyInfo (DER) || token (UTF-8)). The key is in it, since ids of all submitters stand
    /// in one list: two who both name a request "nightly" do not meet, and nobody can take another's id before.
    /// </summary>
    public static string OfRequest(PeerIdentity submitter, string clientToken)
    {
        ArgumentNullException.ThrowIfNull(submitter);
        ArgumentException.ThrowIfNullOrEmpty(clientToken);
        byte[] hash = SHA256.HashData([.. "vertfed/v1/job-id"u8, .. submitter.SubjectPublicKeyInfo, .. Encoding.UTF8.GetBytes(clientToken)]);
        return Convert.ToHexStringLower(hash.AsSpan(0, Bytes));
    }
}
