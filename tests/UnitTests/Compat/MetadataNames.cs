using System.Collections.Immutable;
using System.Reflection.Metadata;

namespace VertFed.UnitTests.Compat;

/// <summary>
/// Spells types of a metadata signature as texts that are the same in every assembly: full names without the assembly's, a
/// generic parameter by its position (<c>!0</c> of the type, <c>!!0</c> of the method), nested types after a slash.
/// </summary>
internal sealed class MetadataNames : ISignatureTypeProvider<string, object?>
{
    public static readonly MetadataNames Instance = new();

    public string GetPrimitiveType(PrimitiveTypeCode typeCode) => typeCode.ToString();

    public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
    {
        TypeDefinition type = reader.GetTypeDefinition(handle);
        TypeDefinitionHandle outer = type.GetDeclaringType();
        return Join(
            outer.IsNil ? null : GetTypeFromDefinition(reader, outer, 0), reader.GetString(type.Namespace), reader.GetString(type.Name));
    }

    public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind)
    {
        TypeReference type = reader.GetTypeReference(handle);
        string? outer = type.ResolutionScope.Kind == HandleKind.TypeReference
            ? GetTypeFromReference(reader, (TypeReferenceHandle)type.ResolutionScope, 0)
            : null;
        return Join(outer, reader.GetString(type.Namespace), reader.GetString(type.Name));
    }

    public string GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
        reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

    public string GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) =>
        $"{genericType}<{string.Join(",", typeArguments)}>";

    public string GetGenericTypeParameter(object? genericContext, int index) => $"!{index}";

    public string GetGenericMethodParameter(object? genericContext, int index) => $"!!{index}";

    public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) =>
        $"{unmodifiedType} {(isRequired ? "modreq" : "modopt")}({modifier})";

    public string GetSZArrayType(string elementType) => elementType + "[]";

    public string GetArrayType(string elementType, ArrayShape shape) => $"{elementType}[{new string(',', shape.Rank - 1)}]";

    public string GetByReferenceType(string elementType) => elementType + "&";

    public string GetPointerType(string elementType) => elementType + "*";

    public string GetPinnedType(string elementType) => elementType;

    public string GetFunctionPointerType(MethodSignature<string> signature) => "function" + Spell("", signature);

    /// <summary>A type by whatever kind of handle; null for kinds that name no type.</summary>
    public string? Name(MetadataReader reader, EntityHandle handle) => handle.Kind switch
    {
        _ when handle.IsNil => null,
        HandleKind.TypeDefinition => GetTypeFromDefinition(reader, (TypeDefinitionHandle)handle, 0),
        HandleKind.TypeReference => GetTypeFromReference(reader, (TypeReferenceHandle)handle, 0),
        HandleKind.TypeSpecification => GetTypeFromSpecification(reader, null, (TypeSpecificationHandle)handle, 0),
        _ => null,
    };

    /// <summary>A method with its return type, generic arity and parameter types.</summary>
    public static string Spell(string name, MethodSignature<string> signature)
    {
        string arity = signature.GenericParameterCount == 0 ? "" : $"``{signature.GenericParameterCount}";
        string kind = signature.Header.IsInstance ? "" : "static ";
        return $"{kind}{signature.ReturnType} {name}{arity}({string.Join(", ", signature.ParameterTypes)})";
    }

    /// <summary>The generic type without its arguments: <c>List`1&lt;Int32&gt;</c> becomes <c>List`1</c>.</summary>
    public static string WithoutArguments(string type)
    {
        int bracket = type.IndexOf('<', StringComparison.Ordinal);
        return bracket < 0 ? type : type[..bracket];
    }

    private static string Join(string? outer, string space, string name) =>
        outer is not null ? $"{outer}/{name}" : space.Length == 0 ? name : $"{space}.{name}";
}
