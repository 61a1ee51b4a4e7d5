using System.Security.Cryptography;
using System.Text;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.Ids;
using Xunit;

namespace VertFed.UnitTests.Psi;

public sealed class IdTests
{
    [Theory]
    [InlineData("  A\u00a0", "  A\u00a0")]
    public void Without_steps_ids_stay_as_they_are(string id, string expected) =>
        Assert.Equal(expected, Normaliser().Normalise(id));

    [Fact]
    public void Trim_takes_unicode_white_space_at_both_ends() =>
        Assert.Equal("a b", Normaliser(IdNormalisation.Trim).Normalise("\u2003\t a b\u00a0\u3000\r\n"));

    [Fact]
    public void Nfc_composes() =>
        Assert.Equal("\u00e9\u00c5", Normaliser(IdNormalisation.Nfc).Normalise("e\u0301\u212b"));

    [Fact]
    public void Case_insensitive_is_invariant_lower_case() =>
        Assert.Equal("iß\u00e9", Normaliser(IdNormalisation.CaseInsensitive).Normalise("Iß\u00c9"));

    [Fact]
    public void Digits_only_keeps_ascii_digits() =>
        Assert.Equal("0173", Normaliser(IdNormalisation.DigitsOnly).Normalise("+(0) 1\u0663-7a3"));

    [Fact]
    public void Steps_apply_in_the_order_of_their_numbers_however_they_are_listed()
    {
        // Composed first and lower-cased after: the other way round leaves the same text, but a trim after digits would not.
        IdNormaliser normaliser = Normaliser(IdNormalisation.CaseInsensitive, IdNormalisation.Nfc, IdNormalisation.Trim);
        Assert.Equal("\u00e9x", normaliser.Normalise(" E\u0301X "));
    }

    [Fact]
    public void Several_columns_are_joined_with_the_unit_separator()
    {
        IdNormaliser normaliser = Normaliser(IdNormalisation.Trim);
        Assert.Equal("ab\u001fc", normaliser.Join([" ab", "c "]));
        Assert.NotEqual(normaliser.Join(["ab", "c"]), normaliser.Join(["a", "bc"]));
        Assert.Equal("", normaliser.Join(["ab", " "]));
        Assert.Throws<ArgumentException>(() => normaliser.Join(["a\u001fb", "c"]));
        Assert.Throws<ArgumentException>(() => normaliser.Join([]));
    }

    [Fact]
    public void Unknown_and_repeated_steps_are_refused()
    {
        IdNormalisation[][] bad =
            [[IdNormalisation.Unspecified], [(IdNormalisation)99], [IdNormalisation.Trim, IdNormalisation.Trim]];
        foreach (IdNormalisation[] steps in bad)
        {
            Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => Normaliser(steps)).Code);
        }

        AlignSpec spec = new() { Duplicates = (DuplicateIds)9 };
        Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => IdList.Create([["a"]], spec)).Code);
    }

    [Theory]
    [InlineData(DuplicateIds.Refuse)]
    [InlineData(DuplicateIds.Unspecified)]
    public void Duplicates_and_empty_ids_are_counted_named_by_row_and_refused(DuplicateIds rule)
    {
        AlignSpec spec = Spec(rule, IdNormalisation.Trim);
        VertFedException error = Assert.Throws<VertFedException>(
            () => IdList.Create([["secret", "b", " secret", "", "secret "]], spec));
        Assert.Equal(ErrorCode.BadInput, error.Code);
        Assert.Contains("2 rows repeat the id of an earlier row (row 3, 5)", error.Message, StringComparison.Ordinal);
        Assert.Contains("1 rows have an empty id (row 4)", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keep_first_leaves_out_later_duplicates_and_empty_ids()
    {
        IdList list = IdList.Create([["a", "b", "A", "", "c"]], Spec(DuplicateIds.KeepFirst, IdNormalisation.CaseInsensitive));
        Assert.Equal(["a", "b", "c"], list.Ids);
        Assert.Equal([0, 1, 4], list.SourceRows);
        Assert.Equal((1, 1), (list.DuplicateRows, list.EmptyRows));
    }

    [Fact]
    public void Rows_of_two_columns_keep_their_pairs()
    {
        IdList list = IdList.Create([["x", "x"], ["1", "2"]], Spec(DuplicateIds.Refuse));
        Assert.Equal(["x\u001f1", "x\u001f2"], list.Ids);
        Assert.Throws<ArgumentException>(() => IdList.Create([["x"], ["1", "2"]], new AlignSpec()));
        Assert.Throws<ArgumentException>(() => IdList.Create([], new AlignSpec()));
    }

    [Fact]
    public void Ids_that_are_too_long_or_broken_are_refused_by_row()
    {
        string longest = new('é', Limits.MaxIdBytes / 2);
        Assert.Single(IdList.Create([[longest]], new AlignSpec()).Ids);
        string[] bad = [longest + "x", "\udc00", "\ud800x"];
        foreach (string id in bad)
        {
            VertFedException plain = Assert.Throws<VertFedException>(() => IdList.Create([["a", id]], new AlignSpec()));
            VertFedException composed = Assert.Throws<VertFedException>(
                () => IdList.Create([["a", id]], Spec(DuplicateIds.Refuse, IdNormalisation.Nfc)));
            Assert.Equal((ErrorCode.BadInput, ErrorCode.BadInput), (plain.Code, composed.Code));
            Assert.Contains("row 2", plain.Message, StringComparison.Ordinal);
            Assert.Contains("row 2", composed.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Holdout_compares_the_first_byte_of_the_hash_with_the_threshold()
    {
        HoldoutRule fifth = new(0.2);
        HoldoutRule none = new(0);
        HoldoutRule most = new(0.9);
        for (int i = 0; i < 2000; i++)
        {
            string id = $"customer {i}";
            byte first = SHA256.HashData(Encoding.UTF8.GetBytes(id))[0];
            Assert.Equal(first < 51, fifth.IsTest(id));
            Assert.Equal(first < 230, most.IsTest(id));
            Assert.False(none.IsTest(id));
        }
    }

    [Theory]
    [InlineData(-0.01)]
    [InlineData(0.91)]
    [InlineData(double.NaN)]
    public void A_holdout_outside_its_range_is_refused(double holdout) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new HoldoutRule(holdout));

    private static IdNormaliser Normaliser(params IdNormalisation[] steps) =>
        IdNormaliser.FromSpec(Spec(DuplicateIds.Refuse, steps));

    private static AlignSpec Spec(DuplicateIds duplicates, params IdNormalisation[] steps)
    {
        AlignSpec spec = new() { Duplicates = duplicates };
        spec.Normalisation.AddRange(steps);
        return spec;
    }
}
