namespace VertFed.Operations.Doctor;

/// <summary>How a node's program examines what it needs, without starting a node: <c>--doctor [--config FILE]</c>.</summary>
public static class NodeDoctor
{
    /// <summary>Looks at the machine, or reads a configuration and hands it to the node's own checks.</summary>
    /// <param name="file">The configuration; null: the machine alone.</param>
    /// <param name="advice">What to do where the configuration is wrong.</param>
    /// <param name="read">Reads it; its text names it in the report.</param>
    /// <param name="check">What this kind of node needs.</param>
    /// <returns>1 where a check failed, else 0.</returns>
    public static async Task<int> RunAsync<TConfig>(
        string? file, TextWriter output, string advice, Func<string, (TConfig Config, string Summary)> read, Func<DoctorReport, TConfig, Task> check)
        where TConfig : class
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentNullException.ThrowIfNull(check);
        DoctorReport report = new(output);
        if (file is null)
        {
            await MachineChecks.RunAsync(report);
            return report.HasFailed ? 1 : 0;
        }

        TConfig? config = null;
        await report.CheckAsync("configuration", advice, () =>
        {
            (config, string summary) = read(file);
            return DoctorLine.Ok("configuration", summary);
        });
        if (config is not null)
        {
            await check(report, config);
        }

        return report.HasFailed ? 1 : 0;
    }
}
