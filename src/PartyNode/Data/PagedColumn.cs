namespace VertFed.PartyNode.Data;

/// <summary>A growing column: pages instead of a doubling array, so that loading needs little more than the result.</summary>
internal sealed class PagedColumn<T>
{
    private const int LargestPage = 65_536;
    private readonly List<T[]> _pages = [];
    private T[] _page = new T[256];
    private int _used;

    public int Count { get; private set; }

    public void Add(T value)
    {
        if (_used == _page.Length)
        {
            _pages.Add(_page);
            _page = new T[Math.Min(_page.Length * 2, LargestPage)];
            _used = 0;
        }

        _page[_used++] = value;
        Count++;
    }

    /// <summary>The values in one array; the pages are released.</summary>
    public T[] ToArray()
    {
        T[] all = new T[Count];
        int at = 0;
        foreach (T[] page in _pages)
        {
            page.CopyTo(all, at);
            at += page.Length;
        }

        _page.AsSpan(0, _used).CopyTo(all.AsSpan(at));
        _pages.Clear();
        _page = [];
        _used = 0;
        return all;
    }
}
