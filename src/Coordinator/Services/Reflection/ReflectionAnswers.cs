using Google.Protobuf;
using Grpc.Core;
using Grpc.Reflection.V1;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Services.Reflection;

/// <summary>Answers the requests of the reflection service from the descriptors of the generated code.</summary>
internal static class ReflectionAnswers
{
    /// <summary>The services that the coordinator offers.</summary>
    public static DescriptorIndex Index { get; } = new(
    [
        JobService.Descriptor, AuditService.Descriptor, RelayService.Descriptor, Grpc.Health.V1.Health.Descriptor,
        ServerReflection.Descriptor, Grpc.Reflection.V1Alpha.ServerReflection.Descriptor,
    ]);

    public static ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        var response = new ServerReflectionResponse { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                response.ListServicesResponse = new ListServiceResponse { Service = { Index.Services.Select(name => new ServiceResponse { Name = name }) } };
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                Files(response, Index.File(request.FileByFilename), "there is no file of this name");
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                Files(response, Index.FileOfSymbol(request.FileContainingSymbol), "no file declares this name");
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType when Index.HasMessage(request.AllExtensionNumbersOfType):
                // The files are proto3 and extend nothing.
                response.AllExtensionNumbersResponse = new ExtensionNumberResponse { BaseTypeName = request.AllExtensionNumbersOfType };
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType:
                Fail(response, StatusCode.NotFound, "there is no message of this name");
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingExtension:
                Fail(response, StatusCode.NotFound, "no message has extensions");
                break;
            default:
                Fail(response, StatusCode.InvalidArgument, "the request asks for nothing");
                break;
        }

        return response;
    }

    private static void Files(ServerReflectionResponse response, IReadOnlyList<ByteString>? files, string otherwise)
    {
        if (files is null)
            Fail(response, StatusCode.NotFound, otherwise);
        else
            response.FileDescriptorResponse = new FileDescriptorResponse { FileDescriptorProto = { files } };
    }

    private static void Fail(ServerReflectionResponse response, StatusCode code, string message) =>
        response.ErrorResponse = new ErrorResponse { ErrorCode = (int)code, ErrorMessage = message };
}
