using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <summary>A row of the table envelopes.</summary>
internal sealed class EnvelopeRow
{
    public const string Columns =
        "sender AS Sender, sequence AS Sequence, core AS Core, attestation AS Attestation, phase AS Phase, round AS Round, step AS Step, "
        + "payload_size AS PayloadSize, parts AS Parts";

    public long Sender { get; set; }

    public long Sequence { get; set; }

    public byte[] Core { get; set; } = [];

    public byte[] Attestation { get; set; } = [];

    public long Phase { get; set; }

    public long Round { get; set; }

    public long Step { get; set; }

    public long PayloadSize { get; set; }

    public long Parts { get; set; }

    public StoredEnvelope ToRecord(string job, uint attempt) => new(
        new EnvelopeKey(job, attempt, (Role)Sender, Sequence), Core, Attestation, (Phase)Phase, checked((uint)Round), (Step)Step, PayloadSize,
        checked((int)Parts));
}
