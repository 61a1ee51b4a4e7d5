using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.UnitTests.Transcript;

/// <summary>One way to tamper, and what verification must say.</summary>
/// <param name="Make">Changes the model; returns the file and the index of the entry that is named, if one is.</param>
internal sealed record Tampering(string Name, string Rule, string Party, Func<TranscriptModel, (byte[] File, long? Index)> Make);

/// <summary>
/// Everything that verification alone can tell. A case changes one thing; where its author holds keys of its own, it makes good with them
/// all that it can.
/// </summary>
internal static partial class Tamperings
{
    private const Role Bank = Role.LabelParty;
    private const Role Retailer = Role.FeatureParty;
    private const string Coordinator = "coordinator";

    public static IReadOnlyList<Tampering> All { get; } = [.. Cores(), .. Log(), .. Parties(), .. Checkpoints(), .. Headers(), .. Files()];

    /// <summary>A bit or field of an entry changed by someone without the sender's key.</summary>
    private static IEnumerable<Tampering> Cores()
    {
        yield return Core("the job in a core", Rules.Attestation, "bank", header => header.Job = new string('f', 32));
        yield return Core("the attempt in a core", Rules.Attestation, "bank", header => header.Attempt++);
        yield return Core("the round in a core", Rules.Attestation, "bank", header => header.Round++);
        yield return Core("the number in a core", Rules.Attestation, "bank", header => header.Sequence++);
        yield return Core("the hash of the core before", Rules.Attestation, "bank", header => header.PreviousCoreHash = Flip(header.PreviousCoreHash));
        yield return Core("the step in a core", Rules.Attestation, "bank", header => header.Step = Step.GradientResponse);
        yield return Core("the phase in a core", Rules.EntryFormat, Coordinator, header => header.Phase = Phase.Align);
        yield return Core("an unknown step in a core", Rules.EntryFormat, Coordinator, header => header.Step = (Step)99);
        yield return Core("the recipient in a core", Rules.EntryFormat, Coordinator, header => header.Recipient = Bank);
        yield return Core("sender and recipient in a core", Rules.Attestation, "retailer", header => (header.Sender, header.Recipient) = (header.Recipient, header.Sender));
        yield return At("the payload hash in a core", Rules.Attestation, "bank", entry => Change(entry, core => core.PayloadHash = Flip(core.PayloadHash)));
        yield return At("the payload size in a core", Rules.Attestation, "bank", entry => Change(entry, core => core.PayloadSize++));
        yield return At("the time of an attestation", Rules.Attestation, "bank", entry => ChangeAttestation(entry, attestation => attestation.TimeUnixMs++));
        yield return At("a bit of an attestation's signature", Rules.Attestation, "bank", entry => ChangeAttestation(entry, attestation => attestation.Signature = Flip(attestation.Signature)));
        yield return At("a short signature", Rules.EntryFormat, Coordinator, entry => ChangeAttestation(entry, attestation => attestation.Signature = ByteString.CopyFrom(attestation.Signature.Span[..63])));
        yield return At("an unknown field in a core", Rules.EntryFormat, Coordinator, entry => entry.Core = [.. entry.Core, 0x78, 0x01]);
        yield return At("an unknown field in an attestation", Rules.EntryFormat, Coordinator, entry => entry.Attestation = [.. entry.Attestation, 0x78, 0x01]);
        yield return At("a bit of a payload", Rules.Payload, Coordinator, entry => entry.Payload[20] ^= 4);
        yield return At("a payload cut short", Rules.Payload, Coordinator, entry => entry.Payload = entry.Payload[..^1]);
        yield return At("a payload with a byte more", Rules.Payload, Coordinator, entry => entry.Payload = [.. entry.Payload, 0]);
        yield return At("no payload", Rules.Payload, Coordinator, entry => entry.Parts = []);
        yield return At("a payload in two records", Rules.Format, Coordinator, entry => entry.Parts = [entry.Payload[..9], entry.Payload[9..]]);
        yield return At("an empty payload record", Rules.Format, Coordinator, entry => entry.Parts = [[], entry.Payload]);
    }

    /// <summary>What the coordinator can do to the log with its own keys alone, or with another's that it invents.</summary>
    private static IEnumerable<Tampering> Log()
    {
        yield return new("an entry dropped", Rules.Sequence, Coordinator, model =>
        {
            int dropped = model.Index(Step.ResidualShare, Bank, 1);
            int next = model.NextOf(Bank, dropped);
            model.Entries.RemoveAt(dropped);
            model.RemakeCheckpoints();
            return (model.Write(), next - 1);
        });
        yield return new("the last entry before the loss dropped", Rules.Sequence, Coordinator, model =>
        {
            model.Entries.RemoveAt(model.Index(Step.OptimiserScalars, Retailer, 2));
            model.RemakeCheckpoints();
            return (model.Write(), model.Index(Step.LossRequest, Retailer));
        });
        yield return new("the last entry dropped", Rules.Entries, Coordinator, model =>
        {
            model.Entries.RemoveAt(model.Entries.Count - 1);
            return (model.Write(), null);
        });
        yield return new("the last entry dropped and the header changed", Rules.Complete, "retailer", model =>
        {
            model.Entries.RemoveAt(model.Entries.Count - 1);
            model.RemakeCheckpoints();
            return (model.Write(), null);
        });
        yield return new("a party's whole side dropped", Rules.Counts, "bank", model =>
        {
            model.Entries.RemoveAll(entry => entry.Header.Sender == Retailer);
            model.RemakeCheckpoints();
            return (model.Write(), model.Index(Step.EvaluatedIds, Bank) + 1);
        });
        yield return new("two entries swapped", Rules.Order, Coordinator, model =>
        {
            int first = model.Index(Step.GradientResponse, Bank, 1);
            (model.Entries[first], model.Entries[first + 1]) = (model.Entries[first + 1], model.Entries[first]);
            return (model.Write(), first + 1);
        });
        yield return new("an entry twice", Rules.Order, Coordinator, model =>
        {
            int index = model.Index(Step.Hello, Retailer);
            model.Entries.Insert(index, model.Entries[index].Clone());
            return (model.Write(), index + 1);
        });
        yield return new("the payloads of two entries swapped", Rules.Payload, Coordinator, model =>
        {
            int index = model.Index(Step.GradientResponse, Bank, 1);
            (ModelEntry one, ModelEntry other) = (model.Entries[index], model.Find(Step.GradientResponse, Bank, 2));
            (one.Payload, other.Payload) = (other.Payload, one.Payload);
            return (model.Write(), index);
        });
        yield return new("an entry signed by another key", Rules.Attestation, "retailer", model =>
        {
            using Identity forger = Identity.Create();
            int index = model.Index(Step.MaskedScalars, Retailer, 1);
            TranscriptModel.Sign(model.Entries[index], model.Entries[index].Header, forger);
            model.RemakeCheckpoints();
            return (model.Write(), index);
        });
        yield return new("an entry signed by the other party", Rules.Attestation, "retailer", model =>
        {
            int index = model.Index(Step.MaskedScalars, Retailer, 1);
            TranscriptModel.Sign(model.Entries[index], model.Entries[index].Header, model.Keys.Identity(Bank));
            model.RemakeCheckpoints();
            return (model.Write(), index);
        });
        yield return new("an entry of another attempt", Rules.Job, Coordinator, model =>
        {
            ModelEntry entry = model.Find(Step.MaskedScalars, Retailer, 2);
            EnvelopeHeader header = entry.Header;
            header.Attempt = 2;
            TranscriptModel.Sign(entry, header, model.Keys.Identity(Retailer));
            return (model.Write(), model.Entries.IndexOf(entry));
        });
        yield return new("an entry of another job", Rules.Job, Coordinator, model =>
        {
            ModelEntry entry = model.Find(Step.KeyExchange, Bank);
            EnvelopeHeader header = entry.Header;
            header.Job = new string('a', 32);
            TranscriptModel.Sign(entry, header, model.Keys.Identity(Bank));
            return (model.Write(), 0);
        });
    }

    /// <summary>What a party can do with its own key; coordinator and peer go along.</summary>
    private static IEnumerable<Tampering> Parties()
    {
        yield return new("two envelopes under one number", Rules.Sequence, "bank", model =>
        {
            ModelEntry second = model.Find(Step.GradientResponse, Bank, 1).Clone();
            EnvelopeHeader header = second.Header;
            header.Step = Step.MaskedScalars;
            TranscriptModel.Sign(second, header, model.Keys.Identity(Bank));
            model.Entries.Add(second);
            return All3(model, second);
        });
        yield return new("a chain that names another envelope", Rules.Chain, "retailer", model =>
        {
            ModelEntry entry = model.Find(Step.GradientResponse, Retailer, 1);
            EnvelopeHeader header = entry.Header;
            header.PreviousCoreHash = Flip(header.PreviousCoreHash);
            TranscriptModel.Sign(entry, header, model.Keys.Identity(Retailer));
            return All3(model, entry);
        });
        yield return new("a step left out", Rules.Grammar, "bank", model =>
        {
            ModelEntry left = model.Find(Step.MaskedScalars, Bank, 1);
            ulong sequence = left.Header.Sequence;
            model.Remake(Bank, sequence, remove: true);
            return All3(model, model.Entries.Single(entry => entry.Header.Sender == Bank && entry.Header.Sequence == sequence));
        });
        yield return new("a step in another round", Rules.Grammar, "bank", model =>
        {
            ModelEntry entry = model.Find(Step.OptimiserScalars, Bank, 2);
            model.Remake(Bank, entry.Header.Sequence, header => header.Round = 3);
            return All3(model, entry);
        });
        yield return Message("another job spec", Rules.Commitment, "retailer", Step.Commitment, Retailer, Commitment.Parser, message => message.SpecHash = Flip(message.SpecHash));
        yield return Message("another release", Rules.Commitment, "retailer", Step.Commitment, Retailer, Commitment.Parser, message => message.SoftwareVersion = "9.9.9+x");
        yield return Message("a seed commitment that is no hash", Rules.Commitment, "bank", Step.Commitment, Bank, Commitment.Parser, message => message.Seed = ByteString.Empty);
        yield return new("more ids than committed rows", Rules.Counts, "bank", model =>
        {
            Rewrite(model, Step.Commitment, Bank, Commitment.Parser, message => message.Rows = 1);
            return All3(model, model.Find(Step.BlindedIds, Bank));
        });
        yield return Message("another identity key in KeyExchange", Rules.KeyExchange, "bank", Step.KeyExchange, Bank, KeyExchange.Parser, message => message.IdentityKey = message.EphemeralKey);
        yield return Message("no key in KeyExchange", Rules.KeyExchange, "retailer", Step.KeyExchange, Retailer, KeyExchange.Parser, message => message.EphemeralKey = ByteString.Empty);
        yield return Message("a result commitment that is no hash", Rules.ResultCommitment, "retailer", Step.ResultCommitment, Retailer, ResultCommitment.Parser, message => message.Metrics = ByteString.CopyFrom(1));
        yield return Sized("fewer evaluated ids than came in", Step.EvaluatedIds, Bank, 0, 28 + 34, Step.AlignmentDigest);
        yield return Sized("evaluated ids of no whole number", Step.EvaluatedIds, Bank, 0, 28 + 50, Step.EvaluatedIds);
        yield return Sized("a payload too short for a seal", Step.Hello, Bank, 0, 27, Step.Hello);
        yield return Sized("a longer gradient block in a later round", Step.MaskedScalars, Bank, 2, 28 + 2 + 32, Step.MaskedScalars);
        yield return Sized("two numbers as the loss", Step.LossScalar, Retailer, 0, 28 + 18, Step.LossScalar);
        yield return new("a link response too many", Rules.Counts, "bank", model =>
        {
            ModelEntry left = model.Find(Step.LinkRequest, Retailer, 2, 1);
            model.Remake(Retailer, left.Header.Sequence, remove: true);
            return All3(model, model.Find(Step.LinkResponse, Bank, 2, 1));
        });
    }

    /// <summary>History rewritten, forked, or vouched for by others than it says.</summary>
    private static IEnumerable<Tampering> Checkpoints()
    {
        yield return new("history rewritten under old checkpoints", Rules.Tree, Coordinator, model =>
        {
            RewriteHistory(model);
            return (model.Write(), null);
        });
        yield return new("history rewritten by a party and the coordinator after a co-signature", Rules.CoSignature, "bank", model =>
        {
            List<byte[]> before = [.. model.Checkpoints.Select(checkpoint => checkpoint.Note)];
            RewriteHistory(model);
            model.CoSigners.Remove(Bank);
            model.RemakeCheckpoints();
            for (int i = 0; i < before.Count; i++)
            {
                string line = SignedNote.Parse(before[i]).Signatures.Single(signature => signature.KeyName.EndsWith("/bank", StringComparison.Ordinal)).ToString();
                model.Checkpoints[i] = (model.Checkpoints[i].Phase, [.. model.Checkpoints[i].Note, .. System.Text.Encoding.UTF8.GetBytes(line)]);
            }

            return (model.Write(), null);
        });
        yield return new("a fork: one party co-signed another tree", Rules.CoSignature, "retailer", model =>
        {
            model.CoSigners.Remove(Retailer);
            byte[] note = model.Note(Phase.Train);
            Checkpoint checkpoint = Checkpoint.Parse(SignedNote.Parse(note).Text);
            byte[] fork = CheckpointNotes.Sign(new Checkpoint(checkpoint.Origin, checkpoint.Size, SHA256.HashData([1])), model.Keys.CoordinatorSigner);
            string line = SignedNote.Parse(model.CoSign(fork, Retailer)).Signatures[^1].ToString();
            model.Checkpoints[2] = (Phase.Train, [.. note, .. System.Text.Encoding.UTF8.GetBytes(line)]);
            return (model.Write(), null);
        });
        yield return Note("a bit of a co-signature", Rules.CoSignature, "retailer", (model, note) => ChangeLine(note, 2, signature => signature[40] ^= 1));
        yield return Note("the time of a co-signature", Rules.CoSignature, "bank", (model, note) => ChangeLine(note, 1, signature => signature[7] ^= 1));
        yield return Note("a co-signature twice", Rules.CoSignature, "bank", (model, note) =>
            [.. note, .. System.Text.Encoding.UTF8.GetBytes(SignedNote.Parse(note).Signatures[1].ToString())]);
        yield return Note("a bit of the coordinator's signature", Rules.CheckpointSignature, Coordinator, (model, note) => ChangeLine(note, 0, signature => signature[40] ^= 1));
        yield return Note("a checkpoint signed by a party in the coordinator's place", Rules.CheckpointSignature, Coordinator, (model, note) =>
            CheckpointNotes.Sign(Checkpoint.Parse(SignedNote.Parse(note).Text), model.Keys.Signer(Bank)));
        yield return Note("a checkpoint of another attempt", Rules.Checkpoint, Coordinator, (model, note) =>
            CheckpointNotes.Sign(new Checkpoint(CheckpointNotes.OriginOf(model.Header.Job, 2), 1, new byte[32]), model.Keys.CoordinatorSigner));
        yield return Note("a checkpoint that is no note", Rules.Checkpoint, Coordinator, (model, note) => note[..^1]);
        yield return Note("the checkpoint of the phase before", Rules.Tree, Coordinator, (model, note) => model.Note(Phase.Align));
        yield return new("a checkpoint twice", Rules.Checkpoint, Coordinator, model =>
        {
            model.Checkpoints.Insert(1, model.Checkpoints[0]);
            return (model.Write(), null);
        });
        yield return new("a checkpoint left out", Rules.Complete, Coordinator, model =>
        {
            model.Checkpoints.RemoveAt(1);
            return (model.Write(), null);
        });
        yield return new("a checkpoint of a phase that was not over", Rules.Checkpoint, Coordinator, model =>
        {
            int cut = model.Index(Step.TrainSetup, Retailer);
            model.Entries.RemoveRange(cut, model.Entries.Count - cut);
            model.LastPhase = Phase.Align;
            model.RemakeCheckpoints();
            Fail(model);
            return (model.Write(), null);
        });
    }

    private static IEnumerable<Tampering> Headers()
    {
        yield return Header("a bit of the job spec", Rules.JobSpec, "submitter", model => model.Header.SignedSpec.Spec = Flip(model.Header.SignedSpec.Spec));
        yield return Header("a spec with other parties, signed by another", Rules.PinnedKey, "submitter", model =>
        {
            using Identity other = Identity.Create();
            model.Header.SignedSpec = SignedJob.Create(model.Keys.Parties.Job.Specification, other).Message;
        });
        yield return Header("another identity key for a party", Rules.PinnedKey, "bank", model => model.Header.LabelParty = model.Header.FeatureParty);
        yield return Header("another identity key for the coordinator", Rules.PinnedKey, Coordinator, model => model.Header.Coordinator = model.Header.FeatureParty);
        yield return Header("another's checkpoint key under an old statement", Rules.CheckpointKey, "retailer", model =>
            model.Header.FeatureParty.PublicKey = model.Header.LabelParty.PublicKey);
        yield return Header("a checkpoint key of small order", Rules.CheckpointKey, "retailer", model =>
            model.Header.FeatureParty.PublicKey = ByteString.CopyFrom([1, .. new byte[31]]));
        yield return Header("no key for a party", Rules.CheckpointKey, "bank", model => model.Header.LabelParty = null);
        yield return Header("no job spec", Rules.JobSpec, "submitter", model => model.Header.SignedSpec = null);
        yield return Header("another version", Rules.Header, Coordinator, model => model.Header.Version = 2);
        yield return Header("another job id", Rules.Header, Coordinator, model => model.Header.Job = new string('b', 32));
        yield return Header("a job that still runs", Rules.Header, Coordinator, model => model.Header.State = JobState.Running);
        yield return Header("an error in a job that is done", Rules.Header, Coordinator, model => model.Header.Error = new JobError { Code = "Refused" });
        yield return new("a payload in the clear left out", Rules.Payload, Coordinator, model =>
        {
            model.Header.Payloads = Payloads.Hashes;
            model.Find(Step.Commitment, Bank).Parts = [];
            return (model.Write(), model.Index(Step.Commitment, Bank));
        });
        yield return new("sealed payloads that the header denies", Rules.Payload, Coordinator, model =>
        {
            model.Header.Payloads = Payloads.Hashes;
            model.Entries.ForEach(entry => entry.Parts = [entry.Payload]);
            return (model.Write(), model.Index(Step.Hello, Bank));
        });
        yield return Header("another count of entries", Rules.Entries, Coordinator, model => model.Header.Entries++);
        yield return new("another attempt in the header", Rules.Job, Coordinator, model =>
        {
            model.Header.Attempt = 2;
            return (model.Write(), 0);
        });
    }

    private static IEnumerable<Tampering> Files()
    {
        yield return File("a truncated file", Rules.Truncated, "", file => file[..(file.Length / 2)]);
        yield return File("a file without its trailer", Rules.Truncated, "", file => file[..^(9 + 100)]);
        yield return File("a byte after the trailer", Rules.TrailingBytes, "", file => [.. file, 0]);
        yield return File("another magic", Rules.Format, "", file => [.. file[..7], 0x0b, .. file[8..]]);
        yield return File("line ends translated", Rules.Format, "", file => [.. file[..4], .. file[5..]]);
        yield return File("a record of an unknown type", Rules.Format, "", file => [.. file[..8], 9, .. file[9..]]);
        yield return File("a record out of place", Rules.Format, "", file => [.. file[..8], 4, .. file[9..]]);
        yield return File("a record beyond its limit", Rules.Format, "", file => [.. file[..9], 0x7f, .. file[10..]]);
        yield return File("a bit of the file's hash", Rules.FileHash, Coordinator, file => ChangeTrailer(file, trailer => trailer.FileHash = Flip(trailer.FileHash)));
        yield return File("a bit of the file's signature", Rules.FileSignature, Coordinator, file => ChangeTrailer(file, trailer => trailer.Signature = Flip(trailer.Signature)));
        yield return File("the other form of the file's signature", Rules.FileSignature, Coordinator, file => ChangeTrailer(file, trailer => trailer.Signature = Other(trailer.Signature)));
        yield return File("an unknown field in the trailer", Rules.Format, Coordinator, file => Lengthened(file));
        yield return new("a line of the delivery log", Rules.FileHash, Coordinator, model =>
        {
            byte[] file = model.Write();
            file[^(9 + 100 + 3)] ^= 1;
            return (file, null);
        });
        yield return new("a delivery log in another encoding", Rules.Deliveries, Coordinator, model =>
        {
            model.Deliveries[0] = [.. model.Deliveries[0], 0x78, 0x01];
            return (model.Write(), null);
        });
        yield return new("a file signed by a party", Rules.FileSignature, Coordinator, model =>
        {
            model.TrailerSigner = model.Keys.Identity(Bank);
            return (model.Write(), null);
        });
    }
}
