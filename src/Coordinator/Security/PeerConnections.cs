using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using VertFed.Coordinator.Configuration;
using VertFed.Protocol;

namespace VertFed.Coordinator.Security;

/// <summary>
/// The open connections by the key of their certificate: so many of one key, so many of keys that nobody knows, and none any more once
/// the trust in a key is withdrawn.
/// </summary>
internal sealed class PeerConnections(CoordinatorConfig config, TrustBook trust, ILogger<PeerConnections> logger)
{
    private readonly ConcurrentDictionary<ConnectionContext, string> _open = new();
    private readonly Lock _gate = new();

    /// <summary>Runs a connection whose TLS handshake is done.</summary>
    public async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is not { } certificate)
        {
            connection.Abort(new ConnectionAbortedException("no certificate was shown"));
            return;
        }

        string fingerprint = PeerCertificate.FingerprintOf(certificate);
        if (!TryEnter(connection, fingerprint))
        {
            Log.TooManyConnections(logger, fingerprint);
            connection.Abort(new ConnectionAbortedException("too many connections of this key"));
            return;
        }

        try
        {
            HandshakeGate.Done(connection);
            await next(connection);
        }
        finally
        {
            _open.TryRemove(connection, out _);
        }
    }

    /// <summary>Closes the connections of keys that are not trusted any more, or as somebody else or in other roles than before, with the streams on them.</summary>
    /// <returns>How many.</returns>
    public int CloseUntrusted(Trust before)
    {
        int closed = 0;
        foreach ((ConnectionContext connection, string fingerprint) in _open)
        {
            Principal? was = before.Find(fingerprint), now = trust.Current.Find(fingerprint);
            if (was is null || (was.Name == now?.Name && was.Roles == now.Roles))
                continue;
            connection.Abort(new ConnectionAbortedException(string.Create(CultureInfo.InvariantCulture, $"key {fingerprint} is not trusted as it was")));
            closed++;
        }

        return closed;
    }

    private bool TryEnter(ConnectionContext connection, string fingerprint)
    {
        lock (_gate)
        {
            bool isKnown = trust.Current.Find(fingerprint) is not null;
            int inside = _open.Values.Count(other => isKnown ? other == fingerprint : trust.Current.Find(other) is null);
            return inside < (isKnown ? config.Limits.MaxConnectionsPerKey : config.Limits.MaxUnregistered) && _open.TryAdd(connection, fingerprint);
        }
    }
}
