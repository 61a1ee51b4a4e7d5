using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace VertFed.EndToEnd;

/// <summary>
/// Checks a document against a JSON Schema (2020-12) as far as docs/report.schema.json uses it. A keyword that this does not
/// know is an error, so that no rule of the schema is passed over in silence.
/// </summary>
internal sealed class JsonSchemaValidator(JsonElement schema)
{
    private static readonly string[] s_annotations = ["$schema", "$id", "$defs", "title", "description"];
    private readonly List<string> _faults = [];

    /// <summary>Every way in which the document breaks the schema; empty if it does not.</summary>
    public static IReadOnlyList<string> Validate(string schema, string document)
    {
        using JsonDocument parsedSchema = JsonDocument.Parse(schema);
        using JsonDocument parsed = JsonDocument.Parse(document);
        JsonSchemaValidator validator = new(parsedSchema.RootElement);
        validator.Check(parsedSchema.RootElement, parsed.RootElement, "$");
        return validator._faults;
    }

    private void Check(JsonElement rules, JsonElement value, string path)
    {
        foreach (JsonProperty rule in rules.EnumerateObject())
        {
            CheckRule(rules, rule, value, path);
        }
    }

    private void CheckRule(JsonElement rules, JsonProperty rule, JsonElement value, string path)
    {
        switch (rule.Name)
        {
            case "$ref":
                Check(Resolve(rule.Value.GetString()!), value, path);
                break;
            case "type":
                Require(Types(rule.Value).Any(type => Is(type, value)), path, $"is {value.ValueKind}, not {rule.Value}");
                break;
            case "const":
                Require(JsonElement.DeepEquals(rule.Value, value), path, $"is not {rule.Value}");
                break;
            case "enum":
                Require(rule.Value.EnumerateArray().Any(item => JsonElement.DeepEquals(item, value)), path, $"is none of {rule.Value}");
                break;
            case "minimum" when value.ValueKind == JsonValueKind.Number:
                Require(value.GetDouble() >= rule.Value.GetDouble(), path, $"is below {rule.Value}");
                break;
            case "maximum" when value.ValueKind == JsonValueKind.Number:
                Require(value.GetDouble() <= rule.Value.GetDouble(), path, $"is above {rule.Value}");
                break;
            case "minLength" when value.ValueKind == JsonValueKind.String:
                Require(value.GetString()!.Length >= rule.Value.GetInt32(), path, $"is shorter than {rule.Value}");
                break;
            case "pattern" when value.ValueKind == JsonValueKind.String:
                Require(Regex.IsMatch(value.GetString()!, rule.Value.GetString()!, RegexOptions.ECMAScript, TimeSpan.FromSeconds(1)), path, $"does not match {rule.Value}");
                break;
            case "required" when value.ValueKind == JsonValueKind.Object:
                foreach (JsonElement name in rule.Value.EnumerateArray())
                {
                    Require(value.TryGetProperty(name.GetString()!, out _), path, $"lacks {name}");
                }

                break;
            case "properties" when value.ValueKind == JsonValueKind.Object:
                foreach (JsonProperty property in rule.Value.EnumerateObject())
                {
                    if (value.TryGetProperty(property.Name, out JsonElement found))
                    {
                        Check(property.Value, found, $"{path}.{property.Name}");
                    }
                }

                break;
            case "additionalProperties" when value.ValueKind == JsonValueKind.Object:
                CheckAdditional(rules, rule.Value, value, path);
                break;
            case "items" when value.ValueKind == JsonValueKind.Array:
                int index = 0;
                foreach (JsonElement item in value.EnumerateArray())
                {
                    Check(rule.Value, item, string.Create(CultureInfo.InvariantCulture, $"{path}[{index++}]"));
                }

                break;
            case "if":
                string branch = Holds(rule.Value, value) ? "then" : "else";
                if (rules.TryGetProperty(branch, out JsonElement consequence))
                {
                    Check(consequence, value, path);
                }

                break;
            case "then" or "else":
                Require(rules.TryGetProperty("if", out _), path, $"has {rule.Name} without if in its schema");
                break;
            case "minimum" or "maximum" or "minLength" or "pattern" or "required" or "properties" or "additionalProperties" or "items":
                // They bind values of one type only, and this value is of another.
                break;
            default:
                Require(s_annotations.Contains(rule.Name), path, $"meets the unknown keyword {rule.Name}");
                break;
        }
    }

    private void CheckAdditional(JsonElement rules, JsonElement additional, JsonElement value, string path)
    {
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (rules.TryGetProperty("properties", out JsonElement known) && known.TryGetProperty(property.Name, out _))
            {
                continue;
            }

            if (additional.ValueKind == JsonValueKind.False)
            {
                Require(holds: false, path, $"has the unknown property {property.Name}");
            }
            else
            {
                Check(additional, property.Value, $"{path}.{property.Name}");
            }
        }
    }

    private bool Holds(JsonElement rules, JsonElement value)
    {
        JsonSchemaValidator probe = new(schema);
        probe.Check(rules, value, "$");
        return probe._faults.Count == 0;
    }

    private JsonElement Resolve(string reference)
    {
        JsonElement at = schema;
        foreach (string part in reference.Split('/').Skip(1))
        {
            at = at.GetProperty(part);
        }

        return at;
    }

    private void Require(bool holds, string path, string otherwise)
    {
        if (!holds)
        {
            _faults.Add($"{path} {otherwise}");
        }
    }

    private static IEnumerable<string> Types(JsonElement rule) =>
        rule.ValueKind == JsonValueKind.Array ? rule.EnumerateArray().Select(item => item.GetString()!) : [rule.GetString()!];

    private static bool Is(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => value.ValueKind == JsonValueKind.Null,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && value.GetDouble() % 1 == 0,
        _ => throw new ArgumentException($"unknown type {type}", nameof(type)),
    };
}
