namespace VertFed.Coordinator.Security;

/// <summary>
/// Ends a call whose first message does not arrive in time: a caller that sends headers and half a message would hold a stream for ever,
/// since Kestrel's own data rate is off for the sake of the parties' long streams.
/// </summary>
internal static class RequestPatience
{
    /// <summary>Starts the clock of each request.</summary>
    public static void Use(IApplicationBuilder application, TimeSpan patience, TimeProvider time) => application.Use(async (context, next) =>
    {
        using var clock = new CancellationTokenSource(patience, time);
        await using CancellationTokenRegistration late = clock.Token.Register(context.Abort);
        context.Items[typeof(RequestPatience)] = clock;
        await next(context);
    });

    /// <summary>Stops the clock. For a call that streams, its own deadlines begin.</summary>
    public static void MessageIsHere(HttpContext context)
    {
        if (context.Items.TryGetValue(typeof(RequestPatience), out object? clock))
            ((CancellationTokenSource)clock!).CancelAfter(Timeout.InfiniteTimeSpan);
    }
}
