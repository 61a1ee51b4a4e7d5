using System.Globalization;
using Grpc.Core;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Control;

/// <summary>The operator's service of a running node: checks what is asked, and passes it on.</summary>
internal sealed class ControlService(IJobControl jobs, NodeLog log, IModelControl? models = null) : PartyControl.PartyControlBase
{
    /// <summary>The trailer that holds the name of the <see cref="ErrorCode"/>.</summary>
    public const string CodeTrailer = "vertfed-code";

    private const int DefaultLimit = 100;
    private const int MostListed = 1000;
    private const int LongestReason = 200;

    public override Task<NodeJobs> ListJobs(NodeListRequest request, ServerCallContext context) => GuardAsync(context, async cancellationToken =>
        new NodeJobs { Jobs = { await jobs.ListJobsAsync(LimitOf(request), request.Held, cancellationToken) } });

    public override Task<NodeJob> ShowJob(NodeJobRequest request, ServerCallContext context) => GuardAsync(
        context, async cancellationToken => await jobs.ShowJobAsync(RequireId(request.Job), cancellationToken) ?? throw Unknown("job"));

    public override Task<NodeJob> Approve(NodeDecision request, ServerCallContext context) => DecideAsync(request, approved: true, context);

    public override Task<NodeJob> Refuse(NodeDecision request, ServerCallContext context) => DecideAsync(request, approved: false, context);

    public override Task<NodePrivacy> ShowPrivacy(NodePrivacyRequest request, ServerCallContext context) => GuardAsync(context, jobs.ShowPrivacyAsync);

    public override Task<NodeModels> ListModels(NodeListRequest request, ServerCallContext context) => GuardAsync(context, async cancellationToken =>
        new NodeModels { Models = { await Models.ListModelsAsync(LimitOf(request), cancellationToken) } });

    public override Task<NodeModel> ShowModel(NodeJobRequest request, ServerCallContext context) => GuardAsync(
        context, async cancellationToken => await Models.ShowModelAsync(RequireId(request.Job), cancellationToken) ?? throw Unknown("model"));

    public override Task<NodeModel> ArchiveModel(NodeJobRequest request, ServerCallContext context) => SetStateAsync(request, ModelState.Archived, context);

    public override Task<NodeModel> DeleteModel(NodeJobRequest request, ServerCallContext context) => SetStateAsync(request, ModelState.Deleted, context);

    private IModelControl Models => models ?? throw Wrong(StatusCode.Unimplemented, "this node keeps no models");

    private Task<NodeJob> DecideAsync(NodeDecision request, bool approved, ServerCallContext context) => GuardAsync(context, async cancellationToken =>
    {
        string job = RequireId(request.Job);
        if (request.Reason.Length > LongestReason || request.Reason.Any(char.IsControl))
        {
            throw Wrong(StatusCode.InvalidArgument, $"a reason is one line of up to {LongestReason} characters");
        }

        return await jobs.DecideAsync(job, approved, request.Reason, cancellationToken) ?? throw Unknown("job");
    });

    private Task<NodeModel> SetStateAsync(NodeJobRequest request, ModelState state, ServerCallContext context) => GuardAsync(
        context, async cancellationToken => await Models.SetModelStateAsync(RequireId(request.Job), state, cancellationToken) ?? throw Unknown("model"));

    private async Task<T> GuardAsync<T>(ServerCallContext context, Func<CancellationToken, Task<T>> call)
    {
        try
        {
            return await call(context.CancellationToken);
        }
        catch (VertFedException error)
        {
            StatusCode status = error.Code switch
            {
                ErrorCode.Usage => StatusCode.FailedPrecondition,
                ErrorCode.Storage => StatusCode.Unavailable,
                _ => StatusCode.Aborted,
            };
            throw Make(status, error.Code, error.Message);
        }
        catch (Exception error) when (error is not (RpcException or OperationCanceledException))
        {
            log.ControlFailed(error);
            throw Make(StatusCode.Internal, ErrorCode.Internal, "internal error; see the node's log");
        }
    }

    private static int LimitOf(NodeListRequest request) => request.Limit switch
    {
        0 => DefaultLimit,
        > MostListed => throw Wrong(StatusCode.InvalidArgument, string.Create(CultureInfo.InvariantCulture, $"at most {MostListed} can be listed at once")),
        _ => (int)request.Limit,
    };

    private static string RequireId(string job) =>
        EnvelopeCodec.IsJobId(job) ? job : throw Wrong(StatusCode.InvalidArgument, "a job id is 32 lower-case hexadecimal digits");

    private static RpcException Unknown(string what) => Wrong(StatusCode.NotFound, $"this node has no {what} of this id");

    private static RpcException Wrong(StatusCode status, string what) => Make(status, ErrorCode.Usage, what);

    private static RpcException Make(StatusCode status, ErrorCode code, string what) =>
        new(new Status(status, what), new Metadata { { CodeTrailer, code.ToString() } });
}
