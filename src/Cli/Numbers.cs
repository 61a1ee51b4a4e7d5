using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace VertFed.Cli;

/// <summary>Options that hold a number within bounds, written with a decimal point whatever the machine's language.</summary>
internal static class Numbers
{
    public static Option<T> Between<T>(string name, string description, T otherwise, T least, T most)
        where T : struct, INumber<T>
    {
        string bounds = string.Create(CultureInfo.InvariantCulture, $"{least} to {most}");
        return new Option<T>(name)
        {
            Description = $"{description} {bounds}.",
            DefaultValueFactory = _ => otherwise,
            CustomParser = result =>
            {
                string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
                if (T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out T value) && value >= least && value <= most)
                {
                    return value;
                }

                result.AddError($"'{text}' for {name} is not a number from {bounds}.");
                return otherwise;
            },
        };
    }
}
