using System.Reflection;
using System.Reflection.Emit;
using Xunit;

namespace VertFed.UnitTests.Compat;

/// <summary>What gRPC's server, its client and the generated services use of the gRPC API assemblies is there.</summary>
public sealed class MemberContractTests
{
    private static readonly string ApiPath = typeof(Grpc.Core.Status).Assembly.Location;
    private static readonly string CommonPath = typeof(Grpc.Net.Compression.ICompressionProvider).Assembly.Location;

    public static TheoryData<string, int> Consumers => new()
    {
        // The counts are lower bounds that show that the check has seen the assembly at all.
        { typeof(Grpc.AspNetCore.Server.GrpcServiceOptions).Assembly.Location, 100 },
        { typeof(Grpc.Net.Client.GrpcChannel).Assembly.Location, 100 },
        { CommonPath, 4 },
        { typeof(VertFed.Protocol.V1.JobService).Assembly.Location, 40 },
    };

    [Theory]
    [MemberData(nameof(Consumers))]
    public void Every_used_member_resolves(string consumer, int atLeast)
    {
        MemberContract.Result result = new MemberContract([ApiPath, CommonPath]).Check(consumer);

        Assert.Empty(result.Missing);
        Assert.True(result.References >= atLeast, $"Only {result.References} references were seen.");
    }

    [Theory]
    [MemberData(nameof(Consumers))]
    public void Every_type_loads(string consumer, int atLeast)
    {
        Assembly assembly = Assembly.LoadFrom(consumer);

        Assert.NotEmpty(assembly.GetTypes());
        Assert.True(atLeast > 0);
    }

    [Fact]
    public void Server_and_client_overrides_were_seen()
    {
        var contract = new MemberContract([ApiPath, CommonPath]);

        Assert.True(contract.Check(typeof(Grpc.AspNetCore.Server.GrpcServiceOptions).Assembly.Location).Overrides > 20);
        Assert.True(contract.Check(typeof(Grpc.Net.Client.GrpcChannel).Assembly.Location).Overrides > 15);
    }

    [Fact]
    public void Assemblies_carry_the_identity_that_consumers_are_bound_to()
    {
        foreach (string path in new[] { ApiPath, CommonPath })
        {
            AssemblyName name = AssemblyName.GetAssemblyName(path);
            Assert.Equal(new Version(2, 0, 0, 0), name.Version);
            Assert.Equal("D754F35622E28BAD", Convert.ToHexString(name.GetPublicKeyToken()!));
        }
    }

    [Fact]
    public void A_missing_member_and_a_changed_signature_and_a_missing_type_are_reported()
    {
        string folder = Directory.CreateTempSubdirectory("member-contract").FullName;
        try
        {
            string path = Path.Combine(folder, "Grpc.Core.Api.dll");
            WriteDefectiveApi(path);

            IReadOnlyList<string> missing =
                new MemberContract([path]).Check(typeof(Grpc.Net.Client.GrpcChannel).Assembly.Location).Missing;

            Assert.Contains("member Grpc.Core.Metadata :: Int32 get_Count()", missing);
            Assert.DoesNotContain("member Grpc.Core.Metadata :: Void .ctor()", missing);
            Assert.Contains("access to Grpc.Core.Metadata :: String GetValue(String)", missing);
            Assert.Contains("type Grpc.Core.Status", missing);
            Assert.DoesNotContain("type Grpc.Core.Metadata", missing);
            Assert.Contains("overridden Grpc.Core.SerializationContext :: Void SetPayloadLength(Int32), by Grpc.Net.Client.Internal.GrpcCallSerializationContext", missing);
            Assert.Contains("implementation of Grpc.Core.SerializationContext :: Void Unheard(), in Grpc.Net.Client.Internal.GrpcCallSerializationContext", missing);
            Assert.Contains(missing, line => line.StartsWith("assembly Grpc.Core.Api, Version=2.0.0.0", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // An unsigned assembly with three types: Metadata whose Count is a long and whose GetValue is private, a
    // SerializationContext with an abstract method too many and nothing else to override.
    private static void WriteDefectiveApi(string path)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName("Grpc.Core.Api") { Version = new Version(2, 0, 0, 0) }, typeof(object).Assembly);
        ModuleBuilder module = assembly.DefineDynamicModule("Grpc.Core.Api");

        TypeBuilder metadata = module.DefineType("Grpc.Core.Metadata", TypeAttributes.Public | TypeAttributes.Sealed);
        metadata.DefineDefaultConstructor(MethodAttributes.Public);
        MethodBuilder count = metadata.DefineMethod("get_Count", MethodAttributes.Public, typeof(long), Type.EmptyTypes);
        count.GetILGenerator().Emit(OpCodes.Ldc_I8, 0L);
        count.GetILGenerator().Emit(OpCodes.Ret);
        MethodBuilder value = metadata.DefineMethod("GetValue", MethodAttributes.Private, typeof(string), [typeof(string)]);
        value.GetILGenerator().Emit(OpCodes.Ldnull);
        value.GetILGenerator().Emit(OpCodes.Ret);
        metadata.CreateType();

        TypeBuilder context = module.DefineType("Grpc.Core.SerializationContext", TypeAttributes.Public | TypeAttributes.Abstract);
        context.DefineMethod(
            "Unheard", MethodAttributes.Public | MethodAttributes.Virtual | MethodAttributes.Abstract | MethodAttributes.NewSlot, typeof(void), Type.EmptyTypes);
        context.CreateType();
        assembly.Save(path);
    }
}
