using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>A job spec with its submitter's signature, verified. The spec's bytes are kept as signed.</summary>
public sealed class SignedJob
{
    private SignedJob(SignedJobSpec message, JobSpecification specification, PeerIdentity submitter)
    {
        Message = message;
        Specification = specification;
        Submitter = submitter;
        SpecHash = SHA256.HashData(message.Spec.Span);
    }

    /// <summary>The validated spec.</summary>
    public JobSpecification Specification { get; }

    /// <summary>SHA-256 of the spec's bytes: what both parties bind in Hello.</summary>
    public byte[] SpecHash { get; }

    /// <summary>Who signed. Whether that submitter is allowed is the receiver's policy.</summary>
    public PeerIdentity Submitter { get; }

    /// <summary>The message as signed or received; not to be changed.</summary>
    public SignedJobSpec Message { get; }

    private static ReadOnlySpan<byte> Label => "vertfed/v1/job-spec"u8;

    /// <summary>Signs a spec: ECDSA P-256 over "vertfed/v1/job-spec" || SHA-256(spec).</summary>
    public static SignedJob Create(JobSpecification specification, Identity submitter)
    {
        ArgumentNullException.ThrowIfNull(specification);
        ArgumentNullException.ThrowIfNull(submitter);
        byte[] spec = specification.ToMessage().ToByteArray();
        SignedJobSpec message = new()
        {
            Spec = UnsafeByteOperations.UnsafeWrap(spec),
            SubmitterKey = ByteString.CopyFrom(submitter.Public.SubjectPublicKeyInfo),
            Signature = UnsafeByteOperations.UnsafeWrap(submitter.Sign(Signed(spec))),
        };
        return new SignedJob(message, specification, submitter.Public);
    }

    /// <summary>Verifies the signature, then parses and validates the spec.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: the signature is another's or of other bytes.
    /// <see cref="ErrorCode.ProtocolViolation"/>: the key or the spec is malformed or breaks a limit.</exception>
    public static SignedJob Verify(SignedJobSpec message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (message.Spec.Length > Limits.MaxSpecBytes)
        {
            throw Error.Violation($"The job spec has {message.Spec.Length} bytes; at most {Limits.MaxSpecBytes} are allowed.");
        }

        PeerIdentity submitter = PeerIdentity.Parse(message.SubmitterKey.Span);
        return submitter.Verify(Signed(message.Spec.Span), message.Signature.Span)
            ? new SignedJob(message, JobSpecification.Parse(message.Spec.Span), submitter)
            : throw Error.DoesNotVerify($"The job spec's signature does not verify with the submitter's key {submitter.Fingerprint}.");
    }

    private static byte[] Signed(ReadOnlySpan<byte> spec) => [.. Label, .. SHA256.HashData(spec)];
}
