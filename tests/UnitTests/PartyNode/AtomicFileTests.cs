using System.Text;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void Replaces_the_old_content_as_a_whole()
    {
        AtomicFile.Write(_place.At("report.json"), "a longer first version"u8);
        AtomicFile.Write(_place.At("report.json"), "second"u8);
        Assert.Equal("second", File.ReadAllText(_place.At("report.json")));
        Assert.Single(Directory.GetFiles(_place.Folder));
    }

    [Fact]
    public void A_failed_rename_keeps_what_was_there_and_leaves_nothing_behind()
    {
        Directory.CreateDirectory(_place.At("report.json"));
        File.WriteAllText(_place.At("report.json/inside"), "kept");
        VertFedException error = Assert.Throws<VertFedException>(() => AtomicFile.Write(_place.At("report.json"), "new"u8));
        Assert.Equal(ErrorCode.Storage, error.Code);
        Assert.Equal("kept", File.ReadAllText(_place.At("report.json/inside")));
        Assert.Equal([_place.At("report.json")], Directory.GetFileSystemEntries(_place.Folder));
    }

    [Fact]
    public void A_file_that_came_meanwhile_stays_where_it_may_not_be_replaced()
    {
        VertFedException error = Assert.Throws<VertFedException>(() => AtomicFile.Write(
            _place.At("scores.csv"),
            stream =>
            {
                stream.Write("scores"u8);
                File.WriteAllText(_place.At("scores.csv"), "another's");
            },
            overwrite: false));

        Assert.Equal(ErrorCode.Storage, error.Code);
        Assert.Equal("another's", File.ReadAllText(_place.At("scores.csv")));
        Assert.Single(Directory.GetFiles(_place.Folder));
    }

    [Fact]
    public void A_missing_folder_is_a_storage_error() =>
        Assert.Equal(ErrorCode.Storage, Assert.Throws<VertFedException>(() => AtomicFile.Write(_place.At("none/report.json"), "x"u8)).Code);

    [Fact]
    public void A_reader_never_sees_a_part()
    {
        string path = _place.At("report.json");
        byte[][] versions = [Encoding.UTF8.GetBytes(new string('a', 200_000)), Encoding.UTF8.GetBytes(new string('b', 300_000))];
        AtomicFile.Write(path, versions[0]);
        Task writing = Task.Run(() =>
        {
            for (int i = 0; i < 40; i++)
            {
                AtomicFile.Write(path, versions[i % 2]);
            }
        });
        int reads = 0;
        while (!writing.IsCompleted || reads == 0)
        {
            byte[] seen = File.ReadAllBytes(path);
            Assert.Contains(versions, version => version.AsSpan().SequenceEqual(seen));
            reads++;
        }

        Assert.True(writing.IsCompletedSuccessfully);
    }

    [SkippableFact]
    public void Files_and_folders_are_their_owners_alone()
    {
        Skip.If(OperatingSystem.IsWindows(), "Unix modes");
        AtomicFile.CreateFolder(_place.At("jobs/1"));
        AtomicFile.Write(_place.At("jobs/1/report.json"), "x"u8);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_place.At("jobs/1/report.json")));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_place.At("jobs/1")));
        }
    }
}
