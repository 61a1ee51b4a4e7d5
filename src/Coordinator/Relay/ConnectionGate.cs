using System.Globalization;
using Grpc.Core;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Relay;

/// <summary>A bound and what the configuration calls it.</summary>
/// <param name="Name">A field of limits; null where it is fixed.</param>
internal readonly record struct GateLimit(int Most, string? Name = null);

/// <summary>Counts who is inside and turns away those above a limit, of all together or of one caller: nobody can take all places.</summary>
/// <param name="what">What is counted, in the plural, for people.</param>
internal sealed class ConnectionGate(GateLimit all, GateLimit each, string what)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _inside = new(StringComparer.Ordinal);
    private int _total;

    /// <summary>How many are inside.</summary>
    public int Inside
    {
        get
        {
            lock (_gate)
                return _total;
        }
    }

    /// <param name="who">Whose share the place is of.</param>
    /// <exception cref="RpcException">ResourceExhausted: full.</exception>
    public IDisposable Enter(string who) => TryEnter(who, out GateLimit full) ?? throw Full(full);

    /// <summary>The same for those who are told nothing; null where it is full.</summary>
    public IDisposable? TryEnter(string who) => TryEnter(who, out _);

    /// <param name="full">The limit that was reached, where it is full.</param>
    public IDisposable? TryEnter(string who, out GateLimit full)
    {
        lock (_gate)
        {
            int own = _inside.GetValueOrDefault(who);
            full = own >= each.Most ? each : all;
            if (own >= each.Most || _total >= all.Most)
                return null;
            _inside[who] = own + 1;
            _total++;
            return new Place(this, who);
        }
    }

    /// <summary>What whoever is above a limit is answered.</summary>
    public RpcException Full(GateLimit limit) => GrpcErrors.Make(
        StatusCode.ResourceExhausted, ErrorCode.Refused,
        string.Create(CultureInfo.InvariantCulture, $"more than {limit.Most} {what}{(limit == each ? " of one caller" : "")} at once are not accepted{(limit.Name is null ? "" : $" ({limit.Name})")}"),
        new ErrorHint { Limit = limit.Name });

    private void Leave(string who)
    {
        lock (_gate)
        {
            _total--;
            if (--_inside[who] == 0)
                _inside.Remove(who);
        }
    }

    private sealed class Place(ConnectionGate gate, string who) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
                gate.Leave(who);
        }
    }
}
