using System.Text;
using Google.Protobuf;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Jobs;

/// <summary>A model as analysts see it: names, states and the root that both halves are bound to, and nothing of its content.</summary>
internal static class ModelMapper
{
    public static Model ToMessage(ModelRecord model)
    {
        JobSpec spec = JobSpec.Parser.ParseFrom(SignedJobSpec.Parser.ParseFrom(model.SignedSpec).Spec);
        return new Model
        {
            Job = model.Job,
            Title = model.Title,
            LabelParty = model.LabelParty,
            FeatureParty = model.FeatureParty,
            TrainedUnixMs = model.TrainedUnixMs,
            TranscriptRoot = model.ClosingNote is { } note ? ByteString.CopyFrom(RootOf(note)) : ByteString.Empty,
            LabelPartyState = model.LabelState,
            FeaturePartyState = model.FeatureState,
            Family = spec.Train.Family,
        };
    }

    /// <summary>The root in a note that this coordinator signed itself: its first three lines.</summary>
    private static byte[] RootOf(byte[] note)
    {
        string[] lines = Encoding.UTF8.GetString(note).Split('\n', 4);
        return Checkpoint.Parse($"{lines[0]}\n{lines[1]}\n{lines[2]}\n").RootHash;
    }
}
