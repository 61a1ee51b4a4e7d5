using System.Text;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Psi.Ids;

/// <summary>
/// Brings ids to the normal form that both parties hash. Immutable; the same job spec gives the same form on both sides, as
/// long as their Unicode tables agree on the characters in use (see docs/psi.md).
/// </summary>
public sealed class IdNormaliser
{
    /// <summary>U+001F (unit separator), between the parts of an id of several columns.</summary>
    public const char Separator = '\u001f';

    private readonly bool _trim;
    private readonly bool _nfc;
    private readonly bool _ignoreCase;
    private readonly bool _digitsOnly;

    private IdNormaliser(IReadOnlyCollection<IdNormalisation> steps)
    {
        _trim = steps.Contains(IdNormalisation.Trim);
        _nfc = steps.Contains(IdNormalisation.Nfc);
        _ignoreCase = steps.Contains(IdNormalisation.CaseInsensitive);
        _digitsOnly = steps.Contains(IdNormalisation.DigitsOnly);
    }

    /// <summary>Reads the steps of a job spec; none means that ids are taken exactly as they stand.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: an unknown step, or one that is named twice.</exception>
    public static IdNormaliser FromSpec(AlignSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        HashSet<IdNormalisation> steps = [];
        foreach (IdNormalisation step in spec.Normalisation)
        {
            if (step == IdNormalisation.Unspecified || !Enum.IsDefined(step))
            {
                throw PsiError.Spec($"align.normalisation has an unknown step ({(int)step}).");
            }

            if (!steps.Add(step))
            {
                throw PsiError.Spec($"align.normalisation names {step} twice.");
            }
        }

        return new IdNormaliser(steps);
    }

    /// <summary>The normal form of an id of one column. Steps apply in the order of their numbers.</summary>
    /// <exception cref="ArgumentException">The id has half of a surrogate pair.</exception>
    public string Normalise(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        string value = _trim ? id.Trim() : id;
        if (_nfc && !Ascii.IsValid(value))
        {
            value = value.Normalize(NormalizationForm.FormC);
        }

        if (_ignoreCase)
        {
            value = value.ToLowerInvariant();
        }

        return _digitsOnly ? KeepDigits(value) : value;
    }

    /// <summary>
    /// The normal form of an id of one or several columns: each part in its normal form, joined with U+001F. Empty if any
    /// part is, since half of a key identifies nobody.
    /// </summary>
    /// <exception cref="ArgumentException">There is no part, one of several parts holds U+001F, or half of a surrogate pair.</exception>
    public string Join(ReadOnlySpan<string> parts)
    {
        if (parts.Length == 1)
        {
            return Normalise(parts[0]);
        }

        if (parts.IsEmpty)
        {
            throw new ArgumentException("An id has at least one part.", nameof(parts));
        }

        StringBuilder joined = new();
        for (int i = 0; i < parts.Length; i++)
        {
            string part = Normalise(parts[i]);
            if (part.Contains(Separator, StringComparison.Ordinal))
            {
                throw new ArgumentException("A part of an id holds U+001F, which separates parts.", nameof(parts));
            }

            if (part.Length == 0)
            {
                return "";
            }

            if (i > 0)
            {
                joined.Append(Separator);
            }

            joined.Append(part);
        }

        return joined.ToString();
    }

    private static string KeepDigits(string value)
    {
        int digits = 0;
        foreach (char c in value)
        {
            digits += char.IsAsciiDigit(c) ? 1 : 0;
        }

        return digits == value.Length
            ? value
            : string.Create(digits, value, static (span, source) =>
            {
                int next = 0;
                foreach (char c in source)
                {
                    if (char.IsAsciiDigit(c))
                    {
                        span[next++] = c;
                    }
                }
            });
    }
}
