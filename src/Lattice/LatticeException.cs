namespace VertFed.Lattice;

/// <summary>
/// Something from outside (parameters, a serialised key or ciphertext, a noise budget) breaks a rule of the encryption
/// scheme. The message names the rule, the value and the limit, and never holds secret values.
/// </summary>
public sealed class LatticeException : Exception
{
    public LatticeException()
    {
    }

    public LatticeException(string message)
        : base(message)
    {
    }

    public LatticeException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
