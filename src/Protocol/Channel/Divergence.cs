using Google.Protobuf;
using Google.Protobuf.Reflection;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>The first envelope of a party that comes out other than it was recorded.</summary>
/// <param name="Sender">Whose envelope it is.</param>
/// <param name="Sequence">The sender's number of it, from 0.</param>
/// <param name="Field">Which field differs: of the message where both payloads can be read (such as values[3]), else of the core.</param>
public sealed record Divergence(Role Sender, ulong Sequence, Step Step, uint Round, string Field)
{
    /// <summary>Compares an envelope with the one that was made in its place. Only fields' names are returned, no values.</summary>
    /// <param name="message">The message that was made.</param>
    /// <param name="seal">The sender's seal; null before the key exchange.</param>
    internal static Divergence Of(Envelope recorded, EnvelopeHeader made, IMessage message, SealKey? seal)
    {
        EnvelopeView view = EnvelopeCodec.Parse(recorded.Core, recorded.Attestation);
        string field = FirstDifference(view.Header, made) is { } header ? $"header.{header}" : PayloadField(view, recorded.Payload, message, seal);
        return new Divergence(made.Sender, made.Sequence, made.Step, made.Round, field);
    }

    private static string PayloadField(EnvelopeView view, ByteString payload, IMessage made, SealKey? seal)
    {
        byte[]? plaintext = PhaseGrammar.Rule(view.Header.Step).Sealed
            ? seal?.Open(view.Core.Header.Span, payload.Span)
            : payload.ToByteArray();
        if (plaintext is null)
        {
            return "payload (its seal does not open under the key of this run)";
        }

        try
        {
            return FirstDifference(made.Descriptor.Parser.ParseFrom(plaintext), made) ?? "payload";
        }
        catch (InvalidProtocolBufferException)
        {
            return $"payload (it is no {made.Descriptor.Name})";
        }
    }

    private static string? FirstDifference(IMessage recorded, IMessage made)
    {
        foreach (FieldDescriptor field in recorded.Descriptor.Fields.InFieldNumberOrder())
        {
            object? left = field.Accessor.GetValue(recorded);
            object? right = field.Accessor.GetValue(made);
            if (field.IsRepeated && left is System.Collections.IList before && right is System.Collections.IList after)
            {
                for (int i = 0; i < Math.Min(before.Count, after.Count); i++)
                {
                    if (!Equals(before[i], after[i]))
                    {
                        return $"{field.Name}[{i}]";
                    }
                }

                if (before.Count != after.Count)
                {
                    return $"{field.Name} (their number)";
                }
            }
            else if (!Equals(left, right))
            {
                return field.Name;
            }
        }

        return null;
    }
}
