using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace VertFed.Lattice;

/// <summary>All throws of the project in one place.</summary>
internal static class LatticeError
{
    [DoesNotReturn]
    internal static void Parameters(string rule) => throw new LatticeException($"Refused lattice parameters: {rule}.");

    [DoesNotReturn]
    internal static void Malformed(string what, string rule) => throw new LatticeException($"Malformed {what}: {rule}.");

    [DoesNotReturn]
    internal static void Argument(string name, string rule) => throw new ArgumentException(rule, name);

    [DoesNotReturn]
    internal static void OutOfBudget(string rule) => throw new LatticeException($"Noise budget exceeded: {rule}.");

    internal static void CheckLength(int actual, int expected, string what)
    {
        if (actual != expected)
        {
            Malformed(what, string.Create(CultureInfo.InvariantCulture, $"it has {actual} bytes, not {expected}"));
        }
    }

    internal static void CheckSame(LatticeParameters a, LatticeParameters b)
    {
        if (!a.IsSameAs(b))
        {
            throw new LatticeException("The objects belong to different lattice parameters.");
        }
    }
}
