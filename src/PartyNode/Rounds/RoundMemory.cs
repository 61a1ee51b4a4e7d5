using VertFed.PartyNode.Reporting;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// What a party carries from round to round, in a file of the job's folder that is written before an answer goes out: SCAFFOLD's control variate, the
/// error of compression, the model that distillation moves, and which secure sums it has entered.
/// </summary>
internal sealed class RoundMemory
{
    private const string FileName = "rounds.state";
    private readonly string _path;
    private readonly PartyRoundState _state;

    private RoundMemory(string path, PartyRoundState state) => (_path, _state) = (path, state);

    /// <summary>Null before the first round that counted.</summary>
    public double[]? Control => _state.Control.Count == 0 ? null : [.. _state.Control];

    /// <summary>Null where no error is carried.</summary>
    public double[]? Residual => _state.Residual.Count == 0 ? null : [.. _state.Residual];

    /// <summary>The model of the party's own that distillation moves; null before the first round that counted.</summary>
    public double[]? Distilled => _state.Distilled.Count == 0 ? null : [.. _state.Distilled];

    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the file cannot be read.</exception>
    public static RoundMemory Load(string folder)
    {
        AtomicFile.CreateFolder(folder);
        string path = Path.Combine(folder, FileName);
        try
        {
            return new RoundMemory(path, File.Exists(path) ? PartyRoundState.Parser.ParseFrom(File.ReadAllBytes(path)) : new PartyRoundState());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or Google.Protobuf.InvalidProtocolBufferException)
        {
            throw new VertFedException(ErrorCode.Storage, $"{path} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>A memory that is empty but for the party's share of the steps, and keeps nothing: the job is gone through again.</summary>
    /// <param name="folder">Of the job, with what the party keeps.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the file cannot be read.</exception>
    public static RoundMemory ForReplay(string folder) =>
        new("", new PartyRoundState { Capacity = Directory.Exists(folder) && Load(folder)._state.Capacity is > 0 and var capacity ? capacity : 1 });

    /// <summary>Erases what a job that is done has left of models: all but the party's share of the steps, which a replay needs.</summary>
    /// <param name="folder">Of the job.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the file cannot be written.</exception>
    public static void Forget(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return;
        }

        double capacity;
        try
        {
            capacity = PartyRoundState.Parser.ParseFrom(File.ReadAllBytes(path)).Capacity;
        }
        catch (Google.Protobuf.InvalidProtocolBufferException)
        {
            // What is left in a damaged one cannot be told.
            capacity = 0;
        }

        new RoundMemory(path, new PartyRoundState { Capacity = capacity }).Save();
    }

    /// <summary>A later round has come: what is pending moves on if it counted, and is dropped otherwise.</summary>
    /// <param name="round">Of the order.</param>
    /// <param name="counted">The last round in which this party's update counted; 0: none. Rounds that did not invite it may lie between.</param>
    public void Settle(uint round, uint counted)
    {
        if (_state.PendingRound == 0 || _state.PendingRound >= round)
        {
            return;
        }

        if (counted == _state.PendingRound)
        {
            if (_state.PendingControl.Count > 0)
            {
                double[] control = Control ?? new double[_state.PendingControl.Count];
                _state.Control.Clear();
                _state.Control.AddRange(control.Zip(_state.PendingControl, (own, change) => own + change));
            }

            if (_state.PendingResidual.Count > 0)
            {
                _state.Residual.Clear();
                _state.Residual.AddRange(_state.PendingResidual);
            }
        }

        if (counted == _state.PendingRound && _state.PendingDistilled.Count > 0)
        {
            _state.Distilled.Clear();
            _state.Distilled.AddRange(_state.PendingDistilled);
        }

        _state.PendingRound = 0;
        _state.PendingControl.Clear();
        _state.PendingResidual.Clear();
        _state.PendingDistilled.Clear();
    }

    /// <summary>Keeps what moves on if this round's update counts.</summary>
    /// <param name="distilled">The model of the party's own; null without distillation.</param>
    public void Pend(uint round, double[]? controlDelta, double[]? residual, double[]? distilled)
    {
        _state.PendingRound = round;
        _state.PendingControl.Clear();
        _state.PendingControl.AddRange(controlDelta ?? []);
        _state.PendingResidual.Clear();
        _state.PendingResidual.AddRange(residual ?? []);
        _state.PendingDistilled.Clear();
        _state.PendingDistilled.AddRange(distilled ?? []);
        if (controlDelta is not null || residual is not null || distilled is not null)
        {
            Save();
        }
    }

    /// <summary>Ditto's own model; null before the first round.</summary>
    public double[]? Personal => _state.Personal.Count == 0 ? null : [.. _state.Personal];

    /// <summary>The last round that moved the own model; 0 before the first.</summary>
    public uint PersonalRound => _state.PersonalRound;

    /// <summary>The share of a round's steps that holds for the whole job: an answer that is made again is the same, whatever the configuration is by then.</summary>
    /// <param name="configured">As of now, above 0.</param>
    public double FixCapacity(double configured)
    {
        if (_state.Capacity == 0)
        {
            _state.Capacity = configured;
            Save();
        }

        return _state.Capacity;
    }

    /// <summary>Keeps the own model after a round.</summary>
    public void KeepPersonal(uint round, double[] parameters)
    {
        _state.PersonalRound = round;
        _state.Personal.Clear();
        _state.Personal.AddRange(parameters);
        Save();
    }

    /// <summary>
    /// Notes the order of a round before it is worked on. A round has one: noise that was drawn for one model would not hide the work on another, and what a
    /// round costs is counted once.
    /// </summary>
    /// <param name="hash">Of what of the order the work follows from, 32 bytes.</param>
    /// <returns>False: this round had another order, or the job is past it.</returns>
    public bool TryOrder(uint round, ReadOnlySpan<byte> hash)
    {
        if (round <= _state.OrderedRound)
        {
            return round == _state.OrderedRound && _state.OrderHash.Span.SequenceEqual(hash);
        }

        (_state.OrderedRound, _state.OrderHash) = (round, Google.Protobuf.ByteString.CopyFrom(hash));
        Save();
        return true;
    }

    /// <summary>Takes what columns are scaled by, and keeps it with the next order: there is one scaling in a job.</summary>
    /// <param name="hash">32 bytes.</param>
    /// <returns>False: an earlier order had another.</returns>
    public bool TryScale(byte[] hash)
    {
        if (_state.Scaling.IsEmpty)
        {
            _state.Scaling = Google.Protobuf.ByteString.CopyFrom(hash);
        }

        return _state.Scaling.Span.SequenceEqual(hash);
    }

    /// <summary>Whether a secure sum may be entered: one that was entered before the node went down is not, since its keys are gone.</summary>
    public bool MayEnter(uint round, uint attempt) =>
        !_state.HasSum || round > _state.SumRound || (round == _state.SumRound && attempt > _state.SumAttempt);

    public void Enter(uint round, uint attempt)
    {
        (_state.HasSum, _state.SumRound, _state.SumAttempt) = (true, round, attempt);
        Save();
    }

    /// <summary>Whether shares may be opened for these survivors: a round's sums over two sets of parties would differ by somebody's numbers.</summary>
    public bool MayOpen(uint round, IReadOnlyList<uint> survivors) =>
        !_state.HasOpened || round > _state.OpenedRound || (round == _state.OpenedRound && _state.OpenedSurvivors.SequenceEqual(survivors));

    public void Open(uint round, IReadOnlyList<uint> survivors)
    {
        (_state.HasOpened, _state.OpenedRound) = (true, round);
        _state.OpenedSurvivors.Clear();
        _state.OpenedSurvivors.AddRange(survivors);
        Save();
    }

    private void Save()
    {
        if (_path.Length > 0)
        {
            AtomicFile.Write(_path, Google.Protobuf.MessageExtensions.ToByteArray(_state));
        }
    }
}
