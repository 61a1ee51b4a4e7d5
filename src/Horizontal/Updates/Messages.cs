namespace VertFed.Horizontal.Updates;

/// <summary>What the server sends an invited client.</summary>
/// <param name="Round">From 0. Asynchronous training: the version of the model.</param>
/// <param name="Parameters">The global model, flat.</param>
/// <param name="Control">SCAFFOLD's server control variate c, as long as the parameters; null otherwise.</param>
/// <param name="Work">What to do.</param>
public sealed record RoundOrder(int Round, double[] Parameters, double[]? Control, LocalWork Work)
{
    /// <summary>The norm to which a client clips what it adds to a sum; null where it does not.</summary>
    public double? Clip { get; init; }
}

/// <summary>What a client answers. It has passed no check until <see cref="RoundInbox"/> takes it.</summary>
public sealed record ClientUpdate
{
    /// <summary>The client's place in the job's roster, from 0.</summary>
    public required int Client { get; init; }

    /// <summary>The round of the order that it answers.</summary>
    public required int Round { get; init; }

    /// <summary>Δ = x_local − x_global.</summary>
    public required double[] Delta { get; init; }

    /// <summary>Rows that the client trained on, from 1.</summary>
    public required long Examples { get; init; }

    /// <summary>τ: optimiser steps done, from 1.</summary>
    public required int Steps { get; init; }

    /// <summary>
    /// ||a||₁ of FedNova: by how many gradients, weighted as the optimiser weights them, Δ is made: τ for SGD, more with momentum, less with
    /// a proximal term. Above 0.
    /// </summary>
    public required double NormalisedSteps { get; init; }

    /// <summary>SCAFFOLD's c_i⁺ − c_i; null otherwise.</summary>
    public double[]? ControlDelta { get; init; }

    /// <summary>The local objective at the global model, before the work; null under record-level privacy, which a plain loss would break.</summary>
    public required double? LossBefore { get; init; }

    /// <summary>The local objective after the work; null under record-level privacy.</summary>
    public required double? LossAfter { get; init; }
}
