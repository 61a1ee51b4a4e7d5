using System.Buffers.Binary;
using System.Text;
using VertFed.Protocol;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>Signed notes, checkpoints and co-signatures as C2SP writes them.</summary>
public sealed class CheckpointNoteTests
{
    /// <summary>The example of c2sp.org/tlog-cosignature. Its keys are not published.</summary>
    private const string SpecificationExample =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        + "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        + "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

    /// <summary>The note and keys of the format's first implementation, Go's golang.org/x/mod/sumdb/note.</summary>
    private const string GoText = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    private const string GoLine = "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    private const string GoPrivateKey = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    private const string GoPublicKey = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    private const uint GoKeyId = 0xc74f20a3;

    /// <summary>Made by an independent program (Python: hashlib, the cryptography package) from the three documents.</summary>
    private const string Golden =
        "vertfed/v1/000102030405060708090a0b0c0d0e0f/1\n42\nfkO00iomjMuosSlAEwXbHIShbj7WsZhq/YIigYfwqR4=\n\n"
        + "\u2014 vertfed/v1/000102030405060708090a0b0c0d0e0f/1 2kx0wKgg+LE9UQ/34LK/pxkcb8nDkgV1v58KrLJOr9XrGktqK00R4rAZaofDXVBbS770Yx0U/uG9oXTAFJTrBgseqAc=\n"
        + "\u2014 vertfed/v1/party/bank GgLltwAAAABkGFDLHiRhqA7lYGfqLLQDmXQwA8335Mo+lFIygry685zAwd37x90UHZIuUbrvX2FXR50Og9MkEdnjvTBCwy1z612VAA==\n";

    private const string Job = "000102030405060708090a0b0c0d0e0f";
    private static readonly DateTimeOffset Time = DateTimeOffset.FromUnixTimeSeconds(1679315147);
    private static readonly Identity Owner = Identity.Create();

    [Fact]
    public void The_reference_implementations_note_is_read_and_made_again_byte_for_byte()
    {
        SignedNote note = SignedNote.Parse(Bytes(GoText + "\n" + GoLine));
        NoteSignature line = Assert.Single(note.Signatures);
        byte[] publicKey = Convert.FromBase64String(GoPublicKey)[1..];

        Assert.Equal((GoText, "PeterNeumann", GoKeyId), (note.Text, line.KeyName, line.KeyId));
        Assert.Equal(GoKeyId, SignedNote.KeyIdOf("PeterNeumann", 0x01, publicKey));
        Assert.True(Ed25519Key.Verify(publicKey, note.TextBytes, line.Signature));
        Assert.Equal(line.Signature, Ed25519Key.Sign(Convert.FromBase64String(GoPrivateKey)[1..], note.TextBytes));
        Assert.Equal(GoLine, line.ToString());
    }

    [Fact]
    public void The_specifications_example_is_read()
    {
        SignedNote note = SignedNote.Parse(Bytes(SpecificationExample));
        Checkpoint checkpoint = Checkpoint.Parse(note.Text);

        Assert.Equal(("example.com/behind-the-sofa", 20852163), (checkpoint.Origin, checkpoint.Size));
        Assert.Equal(note.Text, checkpoint.Text);
        Assert.Equal(["example.com/behind-the-sofa", "witness.example.com/w1"], note.Signatures.Select(line => line.KeyName));
        Assert.Equal([64, CheckpointNotes.CoSignatureBytes], note.Signatures.Select(line => line.Signature.Length));
        Assert.Equal(Time.ToUnixTimeSeconds(), BinaryPrimitives.ReadInt64BigEndian(note.Signatures[1].Signature));
        Assert.Equal(SpecificationExample, Encoding.UTF8.GetString(SignedNote.Write(note.Text, note.Signatures)));
    }

    [Fact]
    public void A_co_signed_checkpoint_equals_the_one_of_an_independent_program()
    {
        using CheckpointSigner log = Signer(1);
        using CheckpointSigner party = Signer(2);
        Checkpoint checkpoint = new(CheckpointNotes.OriginOf(Job, 1), 42, System.Security.Cryptography.SHA256.HashData("golden root"u8));

        byte[] note = CheckpointNotes.Sign(checkpoint, log);
        byte[] coSigned = CheckpointNotes.AddCoSignature(note, "bank", party.Verifier, CheckpointNotes.CoSign(note, party, Time));

        Assert.Equal(Golden, Encoding.UTF8.GetString(coSigned));
        Assert.Equal(checkpoint, CheckpointNotes.Verify(coSigned, CheckpointNotes.OriginOf(Job, 1), log.Verifier));
        Assert.Equal(new CoSignature("bank", Time), CheckpointNotes.FindCoSignature(SignedNote.Parse(coSigned), "bank", party.Verifier));
    }

    [Fact]
    public void Changed_bytes_of_the_text_or_of_a_known_keys_signature_do_not_verify()
    {
        using CheckpointSigner log = Signer(1);
        using CheckpointSigner party = Signer(2);
        byte[] golden = Bytes(Golden);
        for (int i = 0; i < golden.Length; i++)
        {
            byte[] changed = [.. golden];
            changed[i] ^= 0x01;

            Assert.False(IsWholly(changed, log.Verifier, party.Verifier), $"byte {i}");
        }

        Assert.True(IsWholly(golden, log.Verifier, party.Verifier));
    }

    [Fact]
    public void Another_key_origin_or_party_does_not_verify()
    {
        using CheckpointSigner log = Signer(1);
        using CheckpointSigner party = Signer(2);
        SignedNote note = SignedNote.Parse(Bytes(Golden));

        Assert.Contains("not signed", Refusal(() => CheckpointNotes.Verify(Bytes(Golden), CheckpointNotes.OriginOf(Job, 1), party.Verifier)), StringComparison.Ordinal);
        Assert.Contains("stands where", Refusal(() => CheckpointNotes.Verify(Bytes(Golden), CheckpointNotes.OriginOf(Job, 2), log.Verifier)), StringComparison.Ordinal);
        Assert.Null(CheckpointNotes.FindCoSignature(note, "retailer", party.Verifier));
        Assert.Null(CheckpointNotes.FindCoSignature(note, "bank", log.Verifier));
    }

    [Fact]
    public void A_co_signature_is_added_once_and_only_if_it_verifies()
    {
        using CheckpointSigner log = Signer(1);
        using CheckpointSigner party = Signer(2);
        byte[] note = CheckpointNotes.Sign(new Checkpoint(CheckpointNotes.OriginOf(Job, 1), 42, new byte[32]), log);
        byte[] other = CheckpointNotes.Sign(new Checkpoint(CheckpointNotes.OriginOf(Job, 1), 43, new byte[32]), log);
        byte[] own = CheckpointNotes.CoSign(note, party, Time);
        byte[] coSigned = CheckpointNotes.AddCoSignature(note, "bank", party.Verifier, own);
        byte[] later = [.. own];
        later[7]++;

        Assert.Contains("already", Refusal(() => CheckpointNotes.AddCoSignature(coSigned, "bank", party.Verifier, own)), StringComparison.Ordinal);
        foreach (byte[] bad in new[] { CheckpointNotes.CoSign(other, party, Time), CheckpointNotes.CoSign(note, log, Time), later, own[..71], [] })
        {
            Assert.Contains("'bank'", Refusal(() => CheckpointNotes.AddCoSignature(note, "bank", party.Verifier, bad)), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("text\n")]
    [InlineData("text\n\n")]
    [InlineData("text\n\n\u2014 name AAAAAAA=")]
    [InlineData("text\n\n\u2014 name AAAAAAA=\nmore\n")]
    [InlineData("te\u0001xt\n\n\u2014 name AAAAAAA=\n")]
    [InlineData("te\rxt\n\n\u2014 name AAAAAAA=\n")]
    [InlineData("text\n\n- name AAAAAAA=\n")]
    [InlineData("text\n\n\u2014 two names AAAAAAA=\n")]
    [InlineData("text\n\n\u2014  AAAAAAA=\n")]
    [InlineData("text\n\n\u2014 na+me AAAAAAA=\n")]
    [InlineData("text\n\n\u2014 na\u00a0me AAAAAAA=\n")]
    [InlineData("text\n\n\u2014 name AAAAAA==\n")]
    [InlineData("text\n\n\u2014 name AAAAAAB=\n")]
    [InlineData("text\n\n\u2014 name AAAAAAA\n")]
    [InlineData("text\n\n\u2014 name AAAA AAA=\n")]
    [InlineData("text\n\n\u2014 name AAAAAAA= \n")]
    public void A_malformed_note_is_refused(string note) =>
        Assert.Contains("malformed", Refusal(() => SignedNote.Parse(Bytes(note))), StringComparison.Ordinal);

    [Fact]
    public void A_note_that_is_not_UTF_8_or_beyond_a_limit_is_refused()
    {
        string line = "\u2014 name AAAAAAA=\n";
        byte[] notUtf8 = Bytes($"text\n\n{line}");
        notUtf8[1] = 0xff;

        Assert.Equal(100, SignedNote.Parse(Bytes($"text\n\n{string.Concat(Enumerable.Repeat(line, 100))}")).Signatures.Count);
        Assert.Contains("UTF-8", Refusal(() => SignedNote.Parse(notUtf8)), StringComparison.Ordinal);
        Assert.Contains("signatures", Refusal(() => SignedNote.Parse(Bytes($"text\n\n{string.Concat(Enumerable.Repeat(line, SignedNote.MaxSignatures + 1))}"))), StringComparison.Ordinal);
        Assert.Contains("bytes", Refusal(() => SignedNote.Parse(Bytes($"{new string('x', SignedNote.MaxBytes)}\n\n{line}"))), StringComparison.Ordinal);
    }

    [Fact]
    public void The_text_ends_at_the_last_empty_line()
    {
        SignedNote note = SignedNote.Parse(Bytes("a\n\nb\n\n\u2014 name AAAAAAA=\n"));

        Assert.Equal("a\n\nb\n", note.Text);
    }

    [Theory]
    [InlineData("origin\n1\n")]
    [InlineData("origin\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")]
    [InlineData("origin\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")]
    [InlineData("origin\n+1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")]
    [InlineData("origin\n9223372036854775808\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")]
    [InlineData("origin\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n")]
    [InlineData("\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")]
    [InlineData("two words\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")]
    [InlineData("origin\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\n")]
    [InlineData("origin\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    public void A_malformed_checkpoint_is_refused(string text) =>
        Assert.Contains("malformed", Refusal(() => Checkpoint.Parse(text)), StringComparison.Ordinal);

    private static CheckpointSigner Signer(byte fill) => CheckpointSigner.FromSeed([.. Enumerable.Repeat(fill, 32)], Owner);

    /// <summary>Whether the log's and the party's signatures both are there and verify.</summary>
    private static bool IsWholly(byte[] note, CheckpointVerifier log, CheckpointVerifier party)
    {
        try
        {
            _ = CheckpointNotes.Verify(note, CheckpointNotes.OriginOf(Job, 1), log);
            return CheckpointNotes.FindCoSignature(SignedNote.Parse(note), "bank", party) is not null;
        }
        catch (VertFedException e) when (e.Code == ErrorCode.DoesNotVerify)
        {
            return false;
        }
    }

    private static string Refusal(Func<object?> act)
    {
        VertFedException e = Assert.Throws<VertFedException>(act);
        Assert.Equal(ErrorCode.DoesNotVerify, e.Code);
        return e.Message;
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
