using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <summary>Root seeds lie sealed: neither the files nor another key give them.</summary>
public sealed class SecretsKeyTests : IDisposable
{
    private const string Job = "00000000000000000000000000000001";
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_bytes_of_a_seed_are_nowhere_in_the_stores_files()
    {
        byte[] seed = RandomNumberGenerator.GetBytes(32), plain = RandomNumberGenerator.GetBytes(32);
        await using (SqlitePartyStore store = SqlitePartyStore.Open(_folder.File("party.db"), TestSecrets.Key()))
        {
            await store.SaveAttemptAsync(Attempt(seed) with { DataRoot = plain }, None);
            Assert.Equal(seed, (await store.LoadAttemptAsync(Job, 1, None))!.RootSeed);

            // The search finds what does lie in the clear, in the log at least.
            Assert.Contains(FilesWith(plain), file => file.EndsWith("-wal", StringComparison.Ordinal));
            Assert.Empty(FilesWith(seed));
        }

        Assert.NotEmpty(FilesWith(plain));
        Assert.Empty(FilesWith(seed));
    }

    [Fact]
    public async Task Another_key_is_refused_at_the_start_in_words()
    {
        await using (SqlitePartyStore store = SqlitePartyStore.Open(_folder.File("party.db"), TestSecrets.Key()))
            await store.SaveAttemptAsync(Attempt(new byte[32]), None);
        VertFedException exception = Assert.Throws<VertFedException>(() => SqlitePartyStore.Open(_folder.File("party.db"), TestSecrets.Key(1)));
        Assert.Equal(ErrorCode.Storage, exception.Code);
        Assert.Contains("not the one that sealed this store's seeds (secrets_key, VERTFED_SECRETS_KEY)", exception.Message, StringComparison.Ordinal);
        await using SqlitePartyStore again = SqlitePartyStore.Open(_folder.File("party.db"), TestSecrets.Key());
        Assert.NotNull(await again.LoadAttemptAsync(Job, 1, None));
    }

    [Fact]
    public void A_sealed_seed_opens_for_its_job_and_attempt_alone()
    {
        using SecretsKey key = TestSecrets.Key();
        byte[] seed = RandomNumberGenerator.GetBytes(32);
        byte[] sealedSeed = key.Seal(Job, 1, seed);
        Assert.Equal(seed, key.TryOpen(Job, 1, sealedSeed));
        Assert.Null(key.TryOpen(Job, 2, sealedSeed));
        Assert.Null(key.TryOpen(Job.Replace('1', '2'), 1, sealedSeed));
        Assert.Null(key.TryOpen(Job, 1, sealedSeed.AsSpan(0, sealedSeed.Length - 1)));
        Assert.Null(key.TryOpen(Job, 1, []));
        for (int i = 0; i < sealedSeed.Length; i++)
        {
            byte[] altered = [.. sealedSeed];
            altered[i] ^= 1;
            Assert.Null(key.TryOpen(Job, 1, altered));
        }

        Assert.NotEqual(sealedSeed, key.Seal(Job, 1, seed));
    }

    [Fact]
    public void A_key_is_drawn_once_into_a_file_that_only_its_owner_may_read()
    {
        string path = _folder.File("secrets.key");
        using SecretsKey first = SecretsKey.LoadOrCreate(path), second = SecretsKey.LoadOrCreate(path);
        Assert.Equal([7], second.TryOpen(Job, 1, first.Seal(Job, 1, [7])));
        Assert.Matches("^[0-9a-f]{64}\n$", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.GroupRead);
            VertFedException exception = Assert.Throws<VertFedException>(() => SecretsKey.LoadOrCreate(path));
            Assert.Equal(ErrorCode.Usage, exception.Code);
            Assert.Contains("chmod 600", exception.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("0011")]
    [InlineData("zz00000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("00000000000000000000000000000000000000000000000000000000000000000")]
    public void Text_that_is_no_key_is_refused_without_being_quoted(string text)
    {
        VertFedException exception = Assert.Throws<VertFedException>(() => SecretsKey.FromText(text, SecretsKey.Variable));
        Assert.Equal((ErrorCode.Usage, "VERTFED_SECRETS_KEY: the key that seals secrets is 64 hexadecimal digits"), (exception.Code, exception.Message));
    }

    [Fact]
    public void A_key_that_was_disposed_of_seals_nothing()
    {
        SecretsKey key = TestSecrets.Key();
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Seal(Job, 1, [1]));
    }

    private static AttemptRecord Attempt(byte[] seed) => new(
        Job, 1, seed, new byte[32], new byte[32], new byte[32], "test");

    private List<string> FilesWith(byte[] needle)
    {
        List<string> found = [];
        foreach (string file in Directory.GetFiles(Path.GetDirectoryName(_folder.File("party.db"))!, "party.db*"))
        {
            if (file.EndsWith(".lock", StringComparison.Ordinal))
                continue;
            using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            if (bytes.AsSpan().IndexOf(needle) >= 0)
                found.Add(file);
        }

        return found;
    }
}
