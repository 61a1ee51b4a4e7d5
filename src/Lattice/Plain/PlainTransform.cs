using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VertFed.Lattice;

/// <summary>
/// The negacyclic transform modulo t: N coefficients to N slots and back, with Harvey's lazy butterflies on 64-bit words
/// (forward values stay in [0, 4t), inverse values in [0, 2t)). Slot i is the value at psi^(2·bitreverse(i)+1).
/// </summary>
internal sealed class PlainTransform
{
    private readonly int _degree;
    private readonly Twiddle[] _forward;
    private readonly Twiddle[] _backward;
    private readonly Twiddle _degreeInverse;
    private readonly PlainModulus _modulus;

    internal PlainTransform(PlainModulus modulus, int degree)
    {
        _modulus = modulus;
        _degree = degree;
        ulong root = PrimeNumbers.RootOfUnity(modulus.Value, 2 * (ulong)degree);
        _forward = Powers(root);
        _backward = Powers(PrimeNumbers.InverseMod(root, modulus.Value));
        ulong inverse = PrimeNumbers.InverseMod((ulong)degree, modulus.Value);
        _degreeInverse = new Twiddle(inverse, modulus.Companion(inverse));
    }

    /// <summary>Coefficients to slots, in place; values in [0, t).</summary>
    internal void Forward(Span<ulong> values)
    {
        ulong t = _modulus.Value, twice = 2 * t;
        ref ulong x = ref MemoryMarshal.GetReference(values);
        for (int groups = 1, stride = _degree / 2; stride >= 1; groups *= 2, stride /= 2)
        {
            for (int group = 0; group < groups; group++)
            {
                Twiddle w = _forward[groups + group];
                ref ulong low = ref Unsafe.Add(ref x, 2 * group * stride);
                ref ulong high = ref Unsafe.Add(ref low, stride);
                for (int j = 0; j < stride; j++)
                {
                    ulong a = PlainModulus.SubtractWhereNotBelow(Unsafe.Add(ref low, j), twice);
                    ulong b = _modulus.MultiplyConstantLazy(Unsafe.Add(ref high, j), w.Value, w.Companion);
                    Unsafe.Add(ref low, j) = a + b;
                    Unsafe.Add(ref high, j) = a - b + twice;
                }
            }
        }

        for (int i = 0; i < values.Length; i++)
        {
            values[i] = PlainModulus.SubtractWhereNotBelow(PlainModulus.SubtractWhereNotBelow(values[i], twice), t);
        }
    }

    /// <summary>Slots to coefficients, in place; values in [0, t).</summary>
    internal void Inverse(Span<ulong> values)
    {
        ulong twice = 2 * _modulus.Value;
        ref ulong x = ref MemoryMarshal.GetReference(values);
        for (int groups = _degree / 2, stride = 1; groups >= 1; groups /= 2, stride *= 2)
        {
            for (int group = 0; group < groups; group++)
            {
                Twiddle w = _backward[groups + group];
                ref ulong low = ref Unsafe.Add(ref x, 2 * group * stride);
                ref ulong high = ref Unsafe.Add(ref low, stride);
                for (int j = 0; j < stride; j++)
                {
                    ulong a = Unsafe.Add(ref low, j), b = Unsafe.Add(ref high, j);
                    Unsafe.Add(ref low, j) = PlainModulus.SubtractWhereNotBelow(a + b, twice);
                    Unsafe.Add(ref high, j) = _modulus.MultiplyConstantLazy(a - b + twice, w.Value, w.Companion);
                }
            }
        }

        for (int i = 0; i < values.Length; i++)
        {
            values[i] = _modulus.MultiplyConstant(values[i], _degreeInverse.Value, _degreeInverse.Companion);
        }
    }

    private Twiddle[] Powers(ulong root)
    {
        Twiddle[] powers = new Twiddle[_degree];
        int bits = System.Numerics.BitOperations.Log2((uint)_degree);
        ulong power = 1;
        for (int k = 0; k < _degree; k++)
        {
            powers[NttTables.ReverseBits(k, bits)] = new Twiddle(power, _modulus.Companion(power));
            power = PrimeNumbers.MulMod(power, root, _modulus.Value);
        }

        return powers;
    }

    private readonly record struct Twiddle(ulong Value, ulong Companion);
}
