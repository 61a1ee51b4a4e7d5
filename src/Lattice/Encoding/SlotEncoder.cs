namespace VertFed.Lattice;

/// <summary>
/// N values as the N slots of a plaintext: products of ciphertexts and plaintexts act slot by slot (Smart and Vercauteren, 2014).
/// Slot i is the value at psi^(2·bitreverse(i)+1). Immutable.
/// </summary>
public sealed class SlotEncoder
{
    private readonly LatticeParameters _parameters;

    public SlotEncoder(LatticeParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _parameters = parameters;
    }

    /// <summary>Encodes at most N signed values of size up to (t−1)/2; the remaining slots are zero.</summary>
    /// <exception cref="LatticeException">There are too many values.</exception>
    public void Encode(ReadOnlySpan<long> centred, Plaintext destination)
    {
        CoefficientEncoder.Encode(centred, destination);
        Transform(destination);
    }

    /// <summary>Encodes at most N residues in [0, t); the remaining slots are zero.</summary>
    /// <exception cref="LatticeException">There are too many values, or one is not below t.</exception>
    public void Encode(ReadOnlySpan<ulong> residues, Plaintext destination)
    {
        CoefficientEncoder.Encode(residues, destination);
        Transform(destination);
    }

    /// <summary>The first slots, centred, as many as the destination takes.</summary>
    public void Decode(Plaintext plaintext, Span<long> centredSlots)
    {
        ulong[] slots = Slots(plaintext, centredSlots.Length);
        for (int i = 0; i < centredSlots.Length; i++)
        {
            centredSlots[i] = _parameters.Plain.Centre(slots[i]);
        }
    }

    /// <summary>The first slots as residues in [0, t), as many as the destination takes.</summary>
    public void Decode(Plaintext plaintext, Span<ulong> residues) => Slots(plaintext, residues.Length).AsSpan(0, residues.Length).CopyTo(residues);

    /// <summary>The sum of all slots, from coefficient 0 of the plaintext, which is their mean: a response need hold no other coefficient.</summary>
    /// <param name="constantCoefficient">In [0, t).</param>
    public ulong SumOfSlots(ulong constantCoefficient) => _parameters.Plain.Multiply(constantCoefficient, (ulong)_parameters.Degree);

    private void Transform(Plaintext destination)
    {
        LatticeError.CheckSame(_parameters, destination.Parameters);
        _parameters.PlainTransform.Inverse(destination.Coefficients);
    }

    private ulong[] Slots(Plaintext plaintext, int count)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        LatticeError.CheckSame(_parameters, plaintext.Parameters);
        plaintext.Check();
        if (count > _parameters.Degree)
        {
            LatticeError.Malformed("list of slots", "it is longer than N");
        }

        ulong[] slots = [.. plaintext.Coefficients];
        _parameters.PlainTransform.Forward(slots);
        return slots;
    }
}
