using System.Text;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>Root seeds, private keys and plaintexts show in no error, no ToString and no payload on the wire.</summary>
public sealed class SecrecyTests
{
    private const string Plaintext = "PLANTED-ROW-VALUE-0123456789";

    [Fact]
    public async Task Nothing_secret_shows_in_texts_of_a_job_that_goes_wrong_in_every_way()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        InMemoryParties parties = bench.Parties;
        string job = parties.Job.Specification.Job;
        AttemptRecord record = (await parties.LabelJournal.LoadAttemptAsync(job, 1, default))!;
        Envelope genuine = await bench.CaptureAsync(Step.BlindedIds, new BlindedIds { Elements = Encoding.UTF8.GetBytes(Plaintext).ToByteString() });
        Identity peer = parties.Identity(Role.FeatureParty);
        List<string> texts =
        [
            record.ToString(),
            bench.Label.ToString(),
            parties.Identity(Role.LabelParty).ToString(),
            parties.Job.Specification.ToString(),
            (await bench.RefusedAsync(Forge.Payload(genuine, peer, new byte[100]), "seal")).ToString(),
            (await bench.RefusedAsync(Forge.Header(genuine, peer, h => h.Sequence = 9), "came where")).ToString(),
            (await bench.RefusedAsync(genuine, "was awaited", Step.AlignmentDigest)).ToString(),
            (await FailAsync(() => bench.Label.SendAsync(Step.JobClose, 0, new JobClose(), default).AsTask())).ToString(),
            (await FailAsync(() => bench.Label.SendAsync(Step.BlindedIds, 0, new EvaluatedIds { Elements = Encoding.UTF8.GetBytes(Plaintext).ToByteString() }, default).AsTask())).ToString(),
            (await FailAsync(() => parties.LabelJournal.SaveAttemptAsync(record, default).AsTask())).ToString(),
            (await FailAsync(() => SealedChannel.OpenAsync(
                HandshakeTests.Change(parties.Options(Role.LabelParty), dataRoot: new byte[32]), new HandshakeTap(), parties.LabelJournal, default))).ToString(),
        ];

        foreach (string text in texts)
        {
            foreach (string form in Forms(record.RootSeed).Concat(Forms(Encoding.UTF8.GetBytes(Plaintext))).Append(Plaintext))
            {
                Assert.DoesNotContain(form, text, StringComparison.OrdinalIgnoreCase);
            }
        }

        Assert.Equal(-1, genuine.Payload.Span.IndexOf(Encoding.UTF8.GetBytes(Plaintext)));
    }

    [Fact]
    public async Task No_root_seed_ever_crosses()
    {
        using InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync();
        await ScriptedJob.RunAsync(pair.Label, pair.Feature, Family.Logistic, rounds: 2);
        string job = pair.Label.Specification.Job;
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            byte[] seed = (await pair.Parties.Journal(role).LoadAttemptAsync(job, 1, default))!.RootSeed;
            for (ulong i = 0; await pair.Parties.Journal(role).ReadOutboundAsync(job, 1, i, default) is { } envelope; i++)
            {
                Assert.Equal(-1, envelope.Core.Span.IndexOf(seed));
                Assert.Equal(-1, envelope.Payload.Span.IndexOf(seed));
            }
        }
    }

    [Fact]
    public async Task A_send_that_is_a_fault_of_this_party_leaves_it_as_it_was()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        HostileBench.Snapshot before = await bench.SnapshotAsync();

        VertFedException wrongStep = await FailAsync(() => bench.Label.SendAsync(Step.JobClose, 0, new JobClose(), default).AsTask());
        VertFedException wrongMessage = await FailAsync(() => bench.Label.SendAsync(Step.BlindedIds, 0, new JobClose(), default).AsTask());
        VertFedException tooLong = await FailAsync(() => bench.Label.SendAsync(
            Step.BlindedIds, 0, new BlindedIds { Elements = new byte[Limits.MaxPayloadBytes - 20].ToByteString() }, default).AsTask());

        Assert.All(new[] { wrongStep, wrongMessage, tooLong }, refusal => Assert.Equal(ErrorCode.Internal, refusal.Code));
        Assert.Equal(before, await bench.SnapshotAsync());
        await bench.Label.SendAsync(Step.BlindedIds, 0, new BlindedIds { Elements = new byte[Limits.MaxPayloadBytes - 40].ToByteString() }, default);
    }

    [Fact]
    public async Task A_disposed_channel_does_nothing_more()
    {
        InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync();
        pair.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => pair.Label.SendAsync(Step.BlindedIds, 0, new BlindedIds(), default).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => pair.Label.ReceiveAsync(Step.BlindedIds, 0, BlindedIds.Parser, default).AsTask());
        Assert.Throws<ObjectDisposedException>(() => pair.Label.DeriveSecret("x", Step.BlindedIds, 0));
    }

    private static Task<VertFedException> FailAsync(Func<Task> action) => Assert.ThrowsAsync<VertFedException>(action);

    private static IEnumerable<string> Forms(byte[] secret)
    {
        yield return Convert.ToHexString(secret);
        yield return Convert.ToBase64String(secret).TrimEnd('=');
        yield return string.Join(", ", secret.Take(8));
        yield return string.Join('-', secret.Take(8).Select(b => b.ToString("X2")));
    }
}
