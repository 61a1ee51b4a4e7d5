namespace Grpc.Core;

/// <summary>The state of a channel's connection (gRPC connectivity semantics).</summary>
public enum ConnectivityState
{
    /// <summary>Not connected and not trying to be.</summary>
    Idle,

    /// <summary>Being set up.</summary>
    Connecting,

    /// <summary>Connected.</summary>
    Ready,

    /// <summary>Failed, and to be tried again.</summary>
    TransientFailure,

    /// <summary>Ended for good.</summary>
    Shutdown,
}
