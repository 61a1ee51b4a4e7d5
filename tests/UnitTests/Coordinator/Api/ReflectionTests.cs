using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;
using Xunit;
using Alpha = Grpc.Reflection.V1Alpha;

namespace VertFed.UnitTests.Coordinator.Api;

/// <summary>What a generic client learns from the running coordinator.</summary>
public sealed class ReflectionTests
{
    [Fact]
    public async Task The_services_are_listed()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        ServerReflectionResponse response = (await AskAsync(fixture, new ServerReflectionRequest { ListServices = "" }))[0];
        Assert.Equal(
            [
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "vertfed.v1.AuditService",
                "vertfed.v1.JobService", "vertfed.v1.RelayService",
            ],
            response.ListServicesResponse.Service.Select(service => service.Name));
    }

    [Theory]
    [InlineData("vertfed.v1.JobService")]
    [InlineData("vertfed.v1.JobService.Submit")]
    [InlineData("vertfed.v1.SubmitRequest")]
    [InlineData("vertfed.v1.SubmitRequest.client_token")]
    [InlineData("vertfed.v1.MODEL_STATE_ACTIVE")]
    public async Task A_symbol_leads_to_its_file_and_all_that_it_imports(string symbol)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        ServerReflectionResponse response = (await AskAsync(fixture, new ServerReflectionRequest { Host = "h", FileContainingSymbol = symbol }))[0];
        Assert.Equal(("h", symbol), (response.ValidHost, response.OriginalRequest.FileContainingSymbol));
        FileDescriptorProto[] files = Files(response);
        Assert.Equal("vertfed/v1/services.proto", files[0].Name);
        Assert.Equal(files.Length, files.Select(file => file.Name).Distinct(StringComparer.Ordinal).Count());
        Assert.All(files, file => Assert.Subset(files.Select(one => one.Name).ToHashSet(StringComparer.Ordinal), file.Dependency.ToHashSet(StringComparer.Ordinal)));

        // A client builds working descriptors from it.
        IReadOnlyList<FileDescriptor> built = FileDescriptor.BuildFromByteStrings(response.FileDescriptorResponse.FileDescriptorProto.Reverse());
        Assert.Contains(built, file => file.Services.Any(service => service.FullName == "vertfed.v1.JobService"));
    }

    [Fact]
    public async Task Requests_are_answered_one_by_one_and_what_is_unknown_is_not_found()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        IReadOnlyList<ServerReflectionResponse> responses = await AskAsync(
            fixture,
            new ServerReflectionRequest { FileByFilename = "google/protobuf/any.proto" },
            new ServerReflectionRequest { FileByFilename = "grpc/health/v1/health.proto" },
            new ServerReflectionRequest { FileByFilename = "../../etc/passwd" },
            new ServerReflectionRequest { FileContainingSymbol = "vertfed.v1.Nothing" },
            new ServerReflectionRequest { FileContainingExtension = new ExtensionRequest { ContainingType = "vertfed.v1.JobStatus", ExtensionNumber = 1 } },
            new ServerReflectionRequest { AllExtensionNumbersOfType = "vertfed.v1.JobStatus" },
            new ServerReflectionRequest { AllExtensionNumbersOfType = "vertfed.v1.Nothing" },
            new ServerReflectionRequest());
        Assert.Equal((int)StatusCode.NotFound, responses[0].ErrorResponse.ErrorCode);
        Assert.Equal("grpc/health/v1/health.proto", Files(responses[1])[0].Name);
        Assert.All(responses.Skip(2).Take(3), response => Assert.Equal((int)StatusCode.NotFound, response.ErrorResponse.ErrorCode));
        Assert.Equal("vertfed.v1.JobStatus", responses[5].AllExtensionNumbersResponse.BaseTypeName);
        Assert.Empty(responses[5].AllExtensionNumbersResponse.ExtensionNumber);
        Assert.Equal((int)StatusCode.NotFound, responses[6].ErrorResponse.ErrorCode);
        Assert.Equal((int)StatusCode.InvalidArgument, responses[7].ErrorResponse.ErrorCode);
    }

    [Fact]
    public async Task The_older_name_of_the_service_says_the_same()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using AsyncDuplexStreamingCall<Alpha.ServerReflectionRequest, Alpha.ServerReflectionResponse> call =
            new Alpha.ServerReflection.ServerReflectionClient(fixture.ChannelOf(fixture.Submitter)).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new Alpha.ServerReflectionRequest { FileContainingSymbol = "vertfed.v1.Model" });
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        ServerReflectionResponse same = (await AskAsync(fixture, new ServerReflectionRequest { FileContainingSymbol = "vertfed.v1.Model" }))[0];
        Assert.Equal(same.ToByteString(), call.ResponseStream.Current.ToByteString());
    }

    private static FileDescriptorProto[] Files(ServerReflectionResponse response) =>
        [.. response.FileDescriptorResponse.FileDescriptorProto.Select(FileDescriptorProto.Parser.ParseFrom)];

    private static async Task<IReadOnlyList<ServerReflectionResponse>> AskAsync(CoordinatorFixture fixture, params ServerReflectionRequest[] requests)
    {
        using AsyncDuplexStreamingCall<ServerReflectionRequest, ServerReflectionResponse> call = new ServerReflection.ServerReflectionClient(fixture.ChannelOf(fixture.Submitter)).ServerReflectionInfo();
        var responses = new List<ServerReflectionResponse>();
        foreach (ServerReflectionRequest request in requests)
        {
            await call.RequestStream.WriteAsync(request);
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
            responses.Add(call.ResponseStream.Current);
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext(CancellationToken.None));
        return responses;
    }
}
