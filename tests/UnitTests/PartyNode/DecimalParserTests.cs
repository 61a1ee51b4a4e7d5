using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using VertFed.PartyNode.Data;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class DecimalParserTests
{
    [Fact]
    public void Gives_the_double_that_the_framework_gives()
    {
        Gen<string> text =
            from sign in Gen.Elements("", "-", "+")
            from whole in Gen.Choose(0, 20).SelectMany(n => Gen.ArrayOf(Gen.Elements("0123456789".ToCharArray()), n))
            from fraction in Gen.Choose(0, 25).SelectMany(n => Gen.ArrayOf(Gen.Elements("0123456789".ToCharArray()), n))
            from exponent in Gen.Elements("", "e5", "E-7", "e+20", "e-300")
            where whole.Length + fraction.Length > 0
            select $"{sign}{new string(whole)}.{new string(fraction)}{exponent}";
        Prop.ForAll(text.ToArbitrary(), sample =>
        {
            bool parsed = DecimalParser.TryParse(Encoding.UTF8.GetBytes(sample), (byte)'.', out double value);
            double expected = double.Parse(sample, NumberStyles.Float, CultureInfo.InvariantCulture);
            return parsed && BitConverter.DoubleToInt64Bits(value) == BitConverter.DoubleToInt64Bits(expected);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("+")]
    [InlineData("1,5")]
    [InlineData("1_000")]
    [InlineData("(1)")]
    [InlineData("1e")]
    [InlineData("--1")]
    [InlineData("1-")]
    [InlineData("0x1F")]
    public void Refuses_what_is_no_decimal_number(string text) =>
        Assert.False(DecimalParser.TryParse(Encoding.UTF8.GetBytes(text), (byte)'.', out _));

    [Fact]
    public void Refuses_a_number_of_absurd_length() =>
        Assert.False(DecimalParser.TryParse(Encoding.UTF8.GetBytes(new string('1', 401)), (byte)'.', out _));
}
