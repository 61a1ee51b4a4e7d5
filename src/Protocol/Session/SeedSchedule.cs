using System.Security.Cryptography;
using VertFed.Primitives;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// Everything random that a party does in one attempt comes from the attempt's root seed:
/// <list type="bullet">
/// <item>the session stream (ephemeral key, own nonce), before the peer has said anything: HKDF(seed, "session", job, attempt,
/// spec hash, both identity keys);</item>
/// <item>the attempt's key K = HKDF(seed, job, attempt, spec hash, both identity keys, both nonces, own data root, software
/// version);</item>
/// <item>each step's stream = HKDF(K, label, round, step, running hash of inbound cores, index).</item>
/// </list>
/// So a changed input, build or peer message gives independent randomness, and the same ones give the same bytes.
/// </summary>
internal sealed class SeedSchedule : IDisposable
{
    public const int SeedBytes = 32;

    private readonly byte[] _seed;
    private readonly byte[] _attemptKey = new byte[RandomStream.KeyBytes];
    private bool _hasAttemptKey;

    public SeedSchedule(ReadOnlySpan<byte> rootSeed) => _seed = rootSeed.ToArray();

    /// <summary>SHA-256("vertfed/v1/seed-commitment" || root seed).</summary>
    public byte[] Commitment()
    {
        ReadOnlySpan<byte> label = "vertfed/v1/seed-commitment"u8;
        Span<byte> data = stackalloc byte[label.Length + SeedBytes];
        label.CopyTo(data);
        _seed.CopyTo(data[label.Length..]);
        byte[] commitment = SHA256.HashData(data);
        CryptographicOperations.ZeroMemory(data);
        return commitment;
    }

    /// <summary>The salt of the policy commitment, 32 bytes.</summary>
    public byte[] PolicySalt()
    {
        byte[] salt = new byte[EnvelopeCodec.HashBytes];
        Expand(new ContextBuilder().Add("vertfed/v1/policy-salt").ToArray(), salt);
        return salt;
    }

    /// <summary>The stream that yields the salts of the input's rows.</summary>
    public RandomStream RowSalts()
    {
        Span<byte> key = stackalloc byte[RandomStream.KeyBytes];
        Expand(new ContextBuilder().Add("vertfed/v1/row-salts").ToArray(), key);
        RandomStream stream = new(key);
        CryptographicOperations.ZeroMemory(key);
        return stream;
    }

    /// <summary>The stream of the key exchange.</summary>
    public RandomStream SessionStream(AttemptContext context)
    {
        Span<byte> key = stackalloc byte[RandomStream.KeyBytes];
        Expand(context.Add(new ContextBuilder().Add("vertfed/v1/session")).ToArray(), key);
        RandomStream stream = new(key);
        CryptographicOperations.ZeroMemory(key);
        return stream;
    }

    /// <summary>Derives K, once both nonces are known.</summary>
    public void DeriveAttemptKey(
        AttemptContext context, ReadOnlySpan<byte> labelNonce, ReadOnlySpan<byte> featureNonce, ReadOnlySpan<byte> dataRoot, string softwareVersion)
    {
        byte[] info = context.Add(new ContextBuilder().Add("vertfed/v1/attempt"))
            .Add(labelNonce)
            .Add(featureNonce)
            .Add(dataRoot)
            .Add(softwareVersion)
            .ToArray();
        Expand(info, _attemptKey);
        _hasAttemptKey = true;
    }

    /// <summary>The stream of one purpose.</summary>
    public RandomStream StepStream(string label, Step step, uint round, ReadOnlySpan<byte> inboundHash, long index)
    {
        if (!_hasAttemptKey)
        {
            throw Error.Fault("Randomness was asked for before the key exchange.");
        }

        byte[] info = new ContextBuilder()
            .Add("vertfed/v1/stream")
            .Add(label)
            .Add(round)
            .Add((long)step)
            .Add(inboundHash)
            .Add(index)
            .ToArray();
        return RandomStream.Derive(_attemptKey, info);
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_seed);
        CryptographicOperations.ZeroMemory(_attemptKey);
    }

    private void Expand(byte[] info, Span<byte> output) => HKDF.Expand(HashAlgorithmName.SHA256, _seed, output, info);
}

/// <summary>What an attempt is, as key derivations name it.</summary>
internal sealed record AttemptContext(string Job, uint Attempt, byte[] SpecHash, string LabelFingerprint, string FeatureFingerprint)
{
    public ContextBuilder Add(ContextBuilder builder) => builder
        .Add(Job)
        .Add(Attempt)
        .Add(SpecHash)
        .Add(LabelFingerprint)
        .Add(FeatureFingerprint);
}
