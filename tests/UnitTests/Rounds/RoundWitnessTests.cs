using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.PartyNode.Rounds;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>What a party co-signs of a horizontal job's record: a tree that has its own envelopes and those that it got, in their order, and one history alone.</summary>
public sealed class RoundWitnessTests : IDisposable
{
    private const string Job = "0123456789abcdef0123456789abcdef";
    private readonly TemporaryPlace _place = new();
    private readonly Identity _party = Identity.Create();
    private readonly Identity _coordinator = Identity.Create();
    private readonly CheckpointSigner _own;
    private readonly CheckpointSigner _log;
    private readonly byte[][] _said = [Leaf(1), Leaf(2), Leaf(3)];
    private readonly byte[][] _heard = [Leaf(11), Leaf(12), Leaf(13)];

    public RoundWitnessTests() => (_own, _log) = (CheckpointSigner.Create(_party), CheckpointSigner.Create(_coordinator));

    public void Dispose()
    {
        foreach (IDisposable one in new IDisposable[] { _own, _log, _party, _coordinator, _place })
            one.Dispose();
    }

    [Fact]
    public void A_record_with_all_that_was_said_and_heard_is_co_signed_and_gives_its_root()
    {
        byte[][] record = [_heard[0], _said[0], Leaf(50), _heard[1], _said[1], _heard[2]];
        RoundWitness witness = Witness();

        RoundWord first = witness.Judge(Proposal(1, record[..3], record[..3]), _log.Verifier, out VertFedException? breach, out byte[]? root);
        Assert.Equal((null, null), (breach, root));
        RoundWord last = witness.Judge(Proposal(2, record[3..], record, closing: true), _log.Verifier, out breach, out root);

        // The own third answer came too late for the record: that is nobody's fault.
        Assert.Null(breach);
        Assert.Equal(Tree(record), root);
        Assert.Equal((72, 72), (first.CoSignature.Length, last.CoSignature.Length));

        // The next run of the node is shown all of it again, and says the same word.
        RoundWitness again = Witness();
        Assert.Equal(first, again.Judge(Proposal(1, record[..3], record[..3]), _log.Verifier, out breach, out root));
        Assert.Equal(last, again.Judge(Proposal(2, record[3..], record, closing: true), _log.Verifier, out breach, out root));
    }

    [Fact]
    public void A_record_that_lacks_what_was_heard_or_has_it_in_another_order_is_refused()
    {
        RequireBreach(Witness(), Proposal(1, [_heard[0], _said[0], _heard[2]], closing: true), "1 of the 3");
        RequireBreach(Witness(), Proposal(1, [_heard[1], _heard[0], _heard[2]], closing: true), "1 of the 3");
        RequireBreach(Witness(), Proposal(1, [_heard[0]], [_heard[1]]), "another root than its 1 leaves");
        RequireBreach(Witness(), Proposal(2, [_heard[0]]), "number 1 was due");
    }

    [Fact]
    public void A_second_history_is_refused_after_a_restart_too()
    {
        byte[][] record = [_heard[0], Leaf(50)];
        Assert.NotEmpty(Witness().Judge(Proposal(1, record), _log.Verifier, out _, out _).CoSignature);

        RequireBreach(Witness(), Proposal(1, [_heard[0], Leaf(51)]), "another root than when this party judged them before");
        RequireBreach(Witness(), Proposal(1, [_heard[0], Leaf(51), _heard[1], _heard[2]], closing: true), "another root than when this party judged them before");
    }

    [Fact]
    public void A_party_whose_policy_is_not_to_co_sign_says_so_and_knows_the_root()
    {
        RoundWord word = Witness(coSigns: false).Judge(Proposal(1, _heard, closing: true), _log.Verifier, out VertFedException? breach, out byte[]? root);

        Assert.Null(breach);
        Assert.Equal(Tree(_heard), root);
        Assert.Contains("co_sign", word.Refusal.Message, StringComparison.Ordinal);
    }

    private void RequireBreach(RoundWitness witness, RoundProposal proposal, string why)
    {
        RoundWord word = witness.Judge(proposal, _log.Verifier, out VertFedException? breach, out byte[]? root);
        Assert.Null(root);
        Assert.Equal((ErrorCode.ProtocolViolation, "coordinator"), (breach!.Code, breach.Party));
        Assert.Contains(why, breach.Message, StringComparison.Ordinal);
        Assert.Empty(word.CoSignature);
        Assert.Equal(breach.Message, word.Refusal.Message);
    }

    private RoundWitness Witness(bool coSigns = true) => new(Job, _said, _heard, _own, coSigns, _place.Folder, TimeProvider.System);

    private RoundProposal Proposal(uint number, byte[][] leaves, byte[][]? signed = null, bool closing = false) => new()
    {
        Job = Job, Number = number, Closing = closing, Leaves = ByteString.CopyFrom([.. leaves.SelectMany(leaf => leaf)]),
        Note = ByteString.CopyFrom(CheckpointNotes.Sign(new Checkpoint(CheckpointNotes.OriginOf(Job, 1), (signed ?? leaves).Length, Tree(signed ?? leaves)), _log)),
    };

    private static byte[] Tree(byte[][] leaves)
    {
        MerkleTree tree = new();
        foreach (byte[] leaf in leaves)
            tree.AppendHash(leaf);
        return tree.Root();
    }

    private static byte[] Leaf(byte number) => SHA256.HashData([number]);
}
