using System.Globalization;
using VertFed.DeterminismProbe;
using VertFed.Protocol.V1;

// Prints what this process computes with, then the hashes of a whole job of each family: a line each, 'name value'.
// The test that runs it under other instruction sets, thread counts and C library variants compares the lines.
int rows = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 1000;
foreach ((string name, string value) in Machine.Describe())
{
    Console.WriteLine($"{name} {value}");
}

foreach (Family family in new[] { Family.Logistic, Family.Linear })
{
    ProbeResult result = await ProbeJob.RunAsync(family, rows);
    string prefix = family.ToString().ToLowerInvariant();
    Console.WriteLine($"{prefix}-envelopes {result.Envelopes.ToString(CultureInfo.InvariantCulture)}");
    Console.WriteLine($"{prefix}-iterations {result.Iterations.ToString(CultureInfo.InvariantCulture)}");
    Console.WriteLine($"{prefix}-core-root {result.CoreRoot}");
    Console.WriteLine($"{prefix}-payloads {result.PayloadHash}");
    Console.WriteLine($"{prefix}-result {result.ResultHash}");
}
