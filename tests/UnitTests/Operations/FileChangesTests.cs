using VertFed.Operations.Service;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Operations;

public class FileChangesTests
{
    [Fact]
    public void A_change_while_files_are_read_and_a_reading_that_failed_are_read_again()
    {
        using TemporaryFolder folder = new();
        string config = folder.File("node.yaml"), trust = folder.File("trust.yaml");
        File.WriteAllText(config, "1");
        FileChanges changes = new();
        List<string> named = [config];
        int read = 0;
        Func<bool> well = () => ++read > 0;

        // The first look reads: the files may have changed since the start.
        Assert.Equal(1, Look(well));
        Assert.Equal(1, Look(well));
        File.WriteAllText(config, "22");
        Assert.Equal(2, Look(() =>
        {
            read++;
            File.WriteAllText(config, "333");
            return true;
        }));
        Assert.Equal(3, Look(well));
        Assert.Equal(3, Look(well));
        File.WriteAllText(config, "4444");
        Assert.Equal(4, Look(() => ++read < 0));
        Assert.Equal(5, Look(well));

        // A file that is named from now on, is made, and goes.
        named.Add(trust);
        Assert.Equal(6, Look(well));
        File.WriteAllText(trust, "1");
        Assert.Equal(7, Look(well));
        File.Delete(trust);
        Assert.Equal(8, Look(well));
        Assert.Equal(8, Look(well));

        int Look(Func<bool> reading)
        {
            changes.Look(named, reading);
            return read;
        }
    }
}
