using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VertFed.Protocol;

/// <summary>
/// A party's or submitter's own ECDSA P-256 key pair: signs envelopes, registrations and job specs. The private key lives in
/// the platform's key object and is freed on disposal. Thread-safe.
/// </summary>
public sealed class Identity : IDisposable
{
    private const int MaxPemBytes = 4096;
    private readonly ECDsa _key;
    private readonly Lock _gate = new();
    private bool _disposed;

    private Identity(ECDsa key)
    {
        _key = key;
        Public = PeerIdentity.Parse(NistP256.Encode(key.ExportParameters(includePrivateParameters: false).Q));
    }

    /// <summary>The public half, which others pin.</summary>
    public PeerIdentity Public { get; }

    /// <summary>SHA-256 of the public key's SubjectPublicKeyInfo, lower-case hexadecimal.</summary>
    public string Fingerprint => Public.Fingerprint;

    /// <summary>Draws a fresh key pair from the operating system.</summary>
    public static Identity Create() => new(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    /// <summary>Reads a key written by <see cref="Save"/> (or any unencrypted PKCS#8 PEM of a P-256 key).</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: no such file, others may read or write it (Unix), it is
    /// no PKCS#8 PEM, or the key is not P-256.</exception>
    public static Identity Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        char[] pem = ReadPrivately(path);
        try
        {
            ECDsa key = ECDsa.Create();
            try
            {
                key.ImportFromPem(pem);
                string? curve = key.ExportParameters(includePrivateParameters: false).Curve.Oid?.Value;
                using (ECParametersLease probe = new(key))
                {
                    if (curve != ECCurve.NamedCurves.nistP256.Oid.Value || !probe.HasPrivateKey)
                    {
                        throw Error.Usage($"The identity file '{path}' does not hold a P-256 private key.");
                    }
                }

                return new Identity(key);
            }
            catch (Exception e) when (e is ArgumentException or CryptographicException)
            {
                key.Dispose();

                // The inner message could quote the file; it is left out on purpose.
                throw Error.Usage($"The identity file '{path}' is not an unencrypted PKCS#8 PEM with a P-256 private key.");
            }
            catch
            {
                key.Dispose();
                throw;
            }
        }
        finally
        {
            Array.Clear(pem);
        }
    }

    /// <summary>Writes the private key as PKCS#8 PEM to a new file that only its owner may read and write.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the file exists or cannot be written.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ObjectDisposedException.ThrowIf(_disposed, this);
        byte[] pkcs8;
        lock (_gate)
        {
            pkcs8 = _key.ExportPkcs8PrivateKey();
        }

        char[] pem = PemEncoding.Write("PRIVATE KEY", pkcs8);
        byte[] bytes = new byte[pem.Length + 1];
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            System.Text.Encoding.ASCII.GetBytes(pem, bytes);
            bytes[^1] = (byte)'\n';
            using FileStream file = new(path, options);
            file.Write(bytes);
            file.Flush(flushToDisk: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"The identity file '{path}' cannot be written: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pkcs8);
            CryptographicOperations.ZeroMemory(bytes);
            Array.Clear(pem);
        }
    }

    /// <summary>Signs with ECDSA and SHA-256.</summary>
    /// <returns>r || s, 64 bytes (IEEE P1363).</returns>
    public byte[] Sign(ReadOnlySpan<byte> data)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_gate)
        {
            return _key.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _key.Dispose();
        }
    }

    /// <summary>The fingerprint; never anything private.</summary>
    public override string ToString() => Fingerprint;

    /// <summary>Makes an identity from its private scalar (32 bytes, big-endian, 1 to n - 1), for in-memory runs.</summary>
    internal static Identity FromScalar(ReadOnlySpan<byte> scalar)
    {
        byte[] d = scalar.ToArray();
        try
        {
            return new Identity(ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = d }));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(d);
        }
    }

    /// <summary>The x coordinate of (own scalar)·(peer's point), 32 bytes, to be zeroed by the caller (SP 800-56A, section 5.7.1.2).</summary>
    internal byte[] DeriveRawSecret(PeerIdentity peer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_gate)
        {
            using ECParametersLease own = new(_key);
            using ECDiffieHellman agreement = ECDiffieHellman.Create(own.Parameters);
            using ECDiffieHellman other = ECDiffieHellman.Create(NistP256.Parameters(peer.SubjectPublicKeyInfo));
            using ECDiffieHellmanPublicKey point = other.PublicKey;
            return agreement.DeriveRawSecretAgreement(point);
        }
    }

    /// <summary>Has a certificate request of this key signed by the key itself.</summary>
    internal X509Certificate2 SelfSign(Func<ECDsa, CertificateRequest> make, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_gate)
        {
            return make(_key).CreateSelfSigned(notBefore, notAfter);
        }
    }

    /// <summary>A certificate of this key, with the key.</summary>
    internal X509Certificate2 Attach(X509Certificate2 certificate)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_gate)
        {
            return certificate.CopyWithPrivateKey(_key);
        }
    }

    private static char[] ReadPrivately(string path)
    {
        byte[] bytes = [];
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (!OperatingSystem.IsWindows())
            {
                UnixFileMode loose = File.GetUnixFileMode(file.SafeFileHandle)
                    & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite);
                if (loose != UnixFileMode.None)
                {
                    throw Error.Usage($"The identity file '{path}' is open to others than its owner; run: chmod 600 '{path}'.");
                }
            }

            if (file.Length > MaxPemBytes)
            {
                throw Error.Usage($"The identity file '{path}' is longer than {MaxPemBytes} bytes.");
            }

            bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return System.Text.Encoding.ASCII.GetChars(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"The identity file '{path}' cannot be read: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Exported private parameters that are zeroed at the end of their use.</summary>
    private readonly ref struct ECParametersLease
    {
        public ECParametersLease(ECDsa key) => Parameters = key.ExportParameters(includePrivateParameters: true);

        public ECParameters Parameters { get; }

        public bool HasPrivateKey => Parameters.D is { Length: NistP256.ScalarBytes };

        public void Dispose() => CryptographicOperations.ZeroMemory(Parameters.D);
    }
}
