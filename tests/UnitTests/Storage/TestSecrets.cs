using VertFed.Storage;

namespace VertFed.UnitTests.Storage;

/// <summary>The key that tests seal their party stores with.</summary>
internal static class TestSecrets
{
    public static SecretsKey Key(byte fill = 0x5a) => SecretsKey.FromBytes([.. Enumerable.Repeat(fill, SecretsKey.KeyBytes)]);
}
