using FsCheck;
using FsCheck.Fluent;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>The seal of one direction.</summary>
public sealed class SealKeyTests
{
    private static readonly byte[] Header = [1, 2, 3];

    [Fact]
    public void What_is_sealed_opens_under_the_same_header_only() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), plaintext =>
        {
            using SealKey key = Key(1);
            byte[] payload = key.Seal(Header, plaintext);
            return payload.Length == plaintext.Length + SealKey.OverheadBytes
                && key.Open(Header, payload).AsSpan().SequenceEqual(plaintext)
                && key.Open([1, 2, 4], payload) is null;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_same_step_gives_the_same_bytes_and_another_plaintext_another_nonce() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), ArbMap.Default.ArbFor<byte[]>(), (one, two) =>
        {
            using SealKey key = Key(1);
            byte[] first = key.Seal(Header, one);
            byte[] second = key.Seal(Header, two);
            bool sameNonce = first.AsSpan(0, SealKey.NonceBytes).SequenceEqual(second.AsSpan(0, SealKey.NonceBytes));
            return first.AsSpan().SequenceEqual(key.Seal(Header, one)) && sameNonce == one.AsSpan().SequenceEqual(two);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public async Task No_nonce_comes_twice_in_a_job()
    {
        using InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync();
        await ScriptedJob.RunAsync(pair.Label, pair.Feature, Family.Logistic, rounds: 5);
        List<string> nonces = [];
        foreach (InMemoryJournal journal in new[] { pair.Parties.LabelJournal, pair.Parties.FeatureJournal })
        {
            for (ulong i = 0; await journal.ReadOutboundAsync(pair.Label.Specification.Job, 1, i, default) is { } envelope; i++)
            {
                if (!PhaseGrammar.Rule(EnvelopeCodec.Parse(envelope).Header.Step).Sealed)
                {
                    continue;
                }

                nonces.Add(Convert.ToHexString(envelope.Payload.Span[..SealKey.NonceBytes]));
            }
        }

        Assert.True(nonces.Count > 60);
        Assert.Equal(nonces.Count, nonces.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Another_key_and_any_flipped_bit_do_not_open()
    {
        using SealKey key = Key(1);
        using SealKey other = Key(2);
        byte[] payload = key.Seal(Header, new byte[8]);
        Assert.Null(other.Open(Header, payload));
        for (int bit = 0; bit < payload.Length * 8; bit++)
        {
            payload[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(key.Open(Header, payload));
            payload[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.NotNull(key.Open(Header, payload));
    }

    [Fact]
    public void A_seal_with_a_nonce_of_the_senders_choice_does_not_open()
    {
        using SealKey key = Key(1);
        using System.Security.Cryptography.AesGcm aes = new(Filled(1), SealKey.TagBytes);
        byte[] chosen = new byte[SealKey.OverheadBytes + 4];
        aes.Encrypt(chosen.AsSpan(0, 12), new byte[4], chosen.AsSpan(12, 4), chosen.AsSpan(16), Header);

        Assert.Null(key.Open(Header, chosen));
    }

    [Fact]
    public void The_two_directions_have_keys_of_their_own()
    {
        using SessionKeys keys = SessionKeys.Derive(Filled(3), Filled(4), Filled(5));

        Assert.NotEqual(keys.LabelToFeature.Seal(Header, new byte[8]), keys.FeatureToLabel.Seal(Header, new byte[8]));
        Assert.Null(keys.FeatureToLabel.Open(Header, keys.LabelToFeature.Seal(Header, new byte[8])));
    }

    private static SealKey Key(byte fill) => SealKey.Create(Filled(fill), Filled((byte)(fill + 100)));

    private static byte[] Filled(byte value) => [.. Enumerable.Repeat(value, 32)];
}
