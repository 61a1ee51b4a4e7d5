using System.Data.Common;
using System.Globalization;
using Dapper;

namespace VertFed.Storage.Sql;

/// <summary>
/// The jobs (of a table that is called j) that one call of a list looks at: from where the page before ended, so many and no more, so that a
/// list costs the same however many jobs others have. What the caller may not see is left out by the database.
/// </summary>
internal sealed class ListWindow
{
    private readonly long _top;
    private readonly long _floor;
    private readonly int _pageSize;
    private readonly Sight? _sight;

    private ListWindow(long top, long floor, int pageSize, Sight? sight) => (_top, _floor, _pageSize, _sight) = (top, floor, pageSize, sight);

    /// <summary>The condition that its jobs meet; its parameters are those of <see cref="With"/>.</summary>
    public string Condition
    {
        get
        {
            const string Place = "j.ordinal < @top AND j.ordinal >= @floor";
            if (_sight is null)
                return Place;
            IEnumerable<string> own = _sight.Submitters.Select((_, index) => string.Create(CultureInfo.InvariantCulture, $"j.submitter = @submitter{index}"));
            if (_sight.Party is not null)
                own = own.Append("j.label_party = @sightParty OR j.feature_party = @sightParty");
            return $"{Place} AND ({string.Join(" OR ", own.DefaultIfEmpty("1 = 0"))})";
        }
    }

    /// <param name="before">The ordinal below which the page begins; null: at the newest.</param>
    /// <param name="span">How many ordinals it may look at.</param>
    public static ListWindow Of(DbConnection connection, long? before, int span, int pageSize, Sight? sight)
    {
        long newest = connection.ExecuteScalar<long?>("SELECT MAX(ordinal) FROM jobs") ?? 0;
        long top = Math.Min(before ?? long.MaxValue, newest + 1);
        return new ListWindow(top, Math.Max(0, top - span), pageSize, sight);
    }

    /// <summary>The parameters, beside the caller's own. One more than asked for tells whether there is a next page.</summary>
    public DynamicParameters With(object parameters)
    {
        var all = new DynamicParameters(parameters);
        all.Add("top", _top);
        all.Add("floor", _floor);
        all.Add("limit", _pageSize + 1L);
        if (_sight is null)
            return all;
        for (int i = 0; i < _sight.Submitters.Count; i++)
            all.Add(string.Create(CultureInfo.InvariantCulture, $"submitter{i}"), _sight.Submitters[i]);
        if (_sight.Party is not null)
            all.Add("sightParty", _sight.Party);
        return all;
    }

    /// <summary>Cuts what was read to the page.</summary>
    /// <returns>The ordinal below which the next page begins; null after the last.</returns>
    public long? End<T>(List<T> found, Func<T, long> ordinalOf)
    {
        if (found.Count > _pageSize)
        {
            found.RemoveRange(_pageSize, found.Count - _pageSize);
            return ordinalOf(found[^1]);
        }

        // Ordinals begin at 1.
        return _floor > 1 ? _floor : null;
    }
}
