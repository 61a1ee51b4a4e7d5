namespace VertFed.Lattice;

/// <summary>Sizes in bits, for limits of public parameters and for error messages. Nothing of it may reach a message or a sample.</summary>
internal static class Magnitude
{
    /// <summary>log2 of a positive number. Its last bits differ by machine.</summary>
#pragma warning disable RS0030 // Here, and nowhere else in this project.
    public static double Log2(double value) => Math.Log2(value);
#pragma warning restore RS0030
}
