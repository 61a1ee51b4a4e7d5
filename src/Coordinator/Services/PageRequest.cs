using System.Globalization;

namespace VertFed.Coordinator.Services;

/// <summary>What a caller asks a list for: the size of a page, and where the page before ended.</summary>
/// <param name="Size">1 to 1000.</param>
/// <param name="Before">The ordinal that the page's jobs lie below; null for the first page.</param>
internal readonly record struct PageRequest(int Size, long? Before)
{
    private const int DefaultSize = 100;
    private const int MaxSize = 1000;

    /// <exception cref="Grpc.Core.RpcException">InvalidArgument, naming page_size or page_token.</exception>
    public static PageRequest Read(uint pageSize, string pageToken)
    {
        if (pageSize > MaxSize)
            throw GrpcErrors.BadField("page_size", "is at most 1000");
        int size = pageSize == 0 ? DefaultSize : (int)pageSize;
        if (pageToken.Length == 0)
            return new PageRequest(size, null);
        return long.TryParse(pageToken, NumberStyles.None, CultureInfo.InvariantCulture, out long before) && before > 0
            ? new PageRequest(size, before)
            : throw GrpcErrors.BadField("page_token", "is not one that a list returned");
    }

    /// <summary>The token of the page that follows one that ended here; empty after the last.</summary>
    public static string Token(long? before) => before?.ToString(CultureInfo.InvariantCulture) ?? "";
}
