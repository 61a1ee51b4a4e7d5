using System.IO.Compression;

namespace Grpc.Net.Compression;

/// <summary>A message compression by the name that <c>grpc-encoding</c> gives it.</summary>
public interface ICompressionProvider
{
    string EncodingName { get; }

    /// <summary>A stream that compresses what is written to it; it leaves <paramref name="stream"/> open.</summary>
    Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel);

    /// <summary>A stream that reads what was compressed; it leaves <paramref name="stream"/> open.</summary>
    Stream CreateDecompressionStream(Stream stream);
}
