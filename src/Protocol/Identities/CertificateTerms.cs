using System.Net;

namespace VertFed.Protocol;

/// <summary>What a certificate says besides its key; checked.</summary>
public sealed class CertificateTerms
{
    /// <summary>Two years.</summary>
    public const int DefaultDays = 730;

    /// <summary>Ten years.</summary>
    public const int MostDays = 3660;

    private const int MostHosts = 16;
    private const int LongestHost = 253;

    /// <param name="name">As a party's name: 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter.</param>
    /// <param name="days">How long it is valid, 1 to 3660.</param>
    /// <param name="hosts">DNS names and IP addresses under which the holder listens, at most 16; localhost and 127.0.0.1 are always there.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public CertificateTerms(string name, int days = DefaultDays, IReadOnlyList<string>? hosts = null)
    {
        Name = PartyReference.IsName(name)
            ? name
            : throw Error.Usage($"A certificate's name is 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter; '{StrictYaml.Shown(name)}' is not.");
        Days = days is >= 1 and <= MostDays ? days : throw Error.Usage($"A certificate is valid for 1 to {MostDays} days, not {days}.");
        hosts ??= [];
        if (hosts.Count > MostHosts)
        {
            throw Error.Usage($"A certificate names at most {MostHosts} hosts.");
        }

        foreach (string host in hosts)
        {
            if (IPAddress.TryParse(host, out IPAddress? address))
            {
                Addresses.Add(address);
            }
            else if (IsDnsName(host))
            {
                DnsNames.Add(host);
            }
            else
            {
                throw Error.Usage($"'{StrictYaml.Shown(host)}' is neither a DNS name nor an IP address.");
            }
        }
    }

    public string Name { get; }

    public int Days { get; }

    internal List<string> DnsNames { get; } = ["localhost"];

    internal List<IPAddress> Addresses { get; } = [IPAddress.Loopback];

    private static bool IsDnsName(string host) =>
        host.Length is > 0 and <= LongestHost && host.Split('.').All(label => label.Length is > 0 and <= 63
            && label[0] != '-' && label[^1] != '-' && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));
}
