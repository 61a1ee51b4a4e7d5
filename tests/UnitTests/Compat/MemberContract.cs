using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace VertFed.UnitTests.Compat;

/// <summary>
/// Checks, on metadata alone, that whatever one assembly uses of others is there: assembly identities, types, fields and methods
/// with their full signatures and accessibility, and the methods that it overrides.
/// </summary>
internal sealed class MemberContract
{
    private static readonly MetadataNames Names = MetadataNames.Instance;

    // Overridden in types of any base.
    private static readonly HashSet<string> ObjectMethods = new(StringComparer.Ordinal) { "ToString", "Equals", "GetHashCode", "Finalize" };

    private readonly Dictionary<string, AssemblyName> _providers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ProvidedType> _types = new(StringComparer.Ordinal);

    /// <param name="providerPaths">The assemblies that are used.</param>
    public MemberContract(IEnumerable<string> providerPaths)
    {
        foreach (string path in providerPaths)
            Index(path);
    }

    /// <summary>What the check found: how many uses it looked at, and those that do not resolve.</summary>
    public sealed record Result(int References, int Overrides, IReadOnlyList<string> Missing);

    /// <summary>Checks every use that the assembly at a path makes of the provided ones.</summary>
    public Result Check(string consumerPath)
    {
        using var file = new PEReader(File.OpenRead(consumerPath));
        MetadataReader reader = file.GetMetadataReader();
        string consumer = reader.GetString(reader.GetAssemblyDefinition().Name);
        var missing = new SortedSet<string>(StringComparer.Ordinal);
        int references = 0;

        foreach (AssemblyReferenceHandle handle in reader.AssemblyReferences)
        {
            AssemblyName wanted = reader.GetAssemblyReference(handle).GetAssemblyName();
            if (!_providers.TryGetValue(wanted.Name!, out AssemblyName? provided))
                continue;
            references++;
            if (provided.Version < wanted.Version || !provided.GetPublicKeyToken().AsSpan().SequenceEqual(wanted.GetPublicKeyToken()))
                missing.Add($"assembly {wanted.FullName}, is {provided.FullName}");
        }

        foreach (TypeReferenceHandle handle in reader.TypeReferences)
        {
            if (!IsProvided(reader, handle))
                continue;
            references++;
            string name = Names.Name(reader, handle)!;
            if (!_types.TryGetValue(name, out ProvidedType? type) || !type.Assembly.Equals(ScopeOf(reader, handle), StringComparison.Ordinal))
                missing.Add("type " + name);
        }

        foreach (MemberReferenceHandle handle in reader.MemberReferences)
        {
            MemberReference member = reader.GetMemberReference(handle);
            if (Names.Name(reader, member.Parent) is not { } parent || !_types.ContainsKey(MetadataNames.WithoutArguments(parent)))
                continue;
            references++;
            string name = reader.GetString(member.Name);
            string spelled = member.GetKind() == MemberReferenceKind.Field
                ? $"{member.DecodeFieldSignature(Names, null)} {name}"
                : MetadataNames.Spell(name, member.DecodeMethodSignature(Names, null));
            if (Find(parent, spelled) is not { } found)
                missing.Add($"member {MetadataNames.WithoutArguments(parent)} :: {spelled}");
            else if (!found.IsVisibleTo(consumer))
                missing.Add($"access to {MetadataNames.WithoutArguments(parent)} :: {spelled}");
        }

        int overrides = CheckOverrides(reader, missing);
        return new Result(references, overrides, [.. missing]);
    }

    // An override that finds nothing to override is never called, and an abstract method without one fails when the type loads.
    private int CheckOverrides(MetadataReader reader, SortedSet<string> missing)
    {
        int overrides = 0;
        foreach (TypeDefinitionHandle handle in reader.TypeDefinitions)
        {
            TypeDefinition type = reader.GetTypeDefinition(handle);
            if (Names.Name(reader, type.BaseType) is not { } baseType || !_types.ContainsKey(MetadataNames.WithoutArguments(baseType)))
                continue;
            string typeName = Names.Name(reader, handle)!;
            bool isGeneric = baseType.Contains('<', StringComparison.Ordinal);
            var own = new HashSet<string>(StringComparer.Ordinal);
            foreach (MethodDefinition method in type.GetMethods().Select(reader.GetMethodDefinition))
            {
                if (!method.Attributes.HasFlag(MethodAttributes.Virtual) || method.Attributes.HasFlag(MethodAttributes.NewSlot))
                    continue;
                string name = reader.GetString(method.Name);
                string spelled = MetadataNames.Spell(name, method.DecodeSignature(Names, null));
                overrides++;
                own.Add(isGeneric ? name : spelled);
                // The base's generic parameters have other positions here, so only names can be compared then.
                bool found = isGeneric ? FindByName(baseType, name) : Find(baseType, spelled) is { IsVirtual: true };
                if (!found && !ObjectMethods.Contains(name))
                    missing.Add($"overridden {MetadataNames.WithoutArguments(baseType)} :: {spelled}, by {typeName}");
            }

            if (!type.Attributes.HasFlag(TypeAttributes.Abstract))
            {
                foreach (ProvidedMember member in Chain(baseType).SelectMany(t => t.Members.Values).Where(m => m.IsAbstract))
                {
                    if (!own.Contains(isGeneric ? member.Name : member.Spelled))
                        missing.Add($"implementation of {MetadataNames.WithoutArguments(baseType)} :: {member.Spelled}, in {typeName}");
                }
            }
        }

        return overrides;
    }

    private void Index(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        MetadataReader reader = file.GetMetadataReader();
        AssemblyName assembly = reader.GetAssemblyDefinition().GetAssemblyName();
        _providers.Add(assembly.Name!, assembly);
        var friends = new HashSet<string>(Friends(reader), StringComparer.Ordinal);
        foreach (TypeDefinitionHandle handle in reader.TypeDefinitions)
        {
            TypeDefinition type = reader.GetTypeDefinition(handle);
            string name = Names.Name(reader, handle)!;
            // Helper types that the compiler puts into every assembly are not shared.
            if (reader.GetString(type.Namespace).StartsWith("Grpc", StringComparison.Ordinal) || !type.GetDeclaringType().IsNil)
                _types[name] = ReadType(reader, type, assembly.Name!, friends);
        }
    }

    private static ProvidedType ReadType(MetadataReader reader, TypeDefinition type, string assembly, HashSet<string> friends)
    {
        var members = new Dictionary<string, ProvidedMember>(StringComparer.Ordinal);
        foreach (MethodDefinition method in type.GetMethods().Select(reader.GetMethodDefinition))
        {
            string name = reader.GetString(method.Name);
            string spelled = MetadataNames.Spell(name, method.DecodeSignature(Names, null));
            MethodAttributes access = method.Attributes & MethodAttributes.MemberAccessMask;
            bool isOpen = access is MethodAttributes.Public or MethodAttributes.Family or MethodAttributes.FamORAssem;
            members[spelled] = new ProvidedMember(
                name,
                spelled,
                method.Attributes.HasFlag(MethodAttributes.Virtual),
                method.Attributes.HasFlag(MethodAttributes.Abstract),
                consumer => isOpen || (access == MethodAttributes.Assembly && friends.Contains(consumer)));
        }

        foreach (FieldDefinition field in type.GetFields().Select(reader.GetFieldDefinition))
        {
            string name = reader.GetString(field.Name);
            string spelled = $"{field.DecodeSignature(Names, null)} {name}";
            bool isOpen = (field.Attributes & FieldAttributes.FieldAccessMask) is FieldAttributes.Public or FieldAttributes.Family;
            members[spelled] = new ProvidedMember(name, spelled, IsVirtual: false, IsAbstract: false, _ => isOpen);
        }

        return new ProvidedType(assembly, Names.Name(reader, type.BaseType), members);
    }

    private static IEnumerable<string> Friends(MetadataReader reader)
    {
        foreach (CustomAttributeHandle handle in reader.GetAssemblyDefinition().GetCustomAttributes())
        {
            CustomAttribute attribute = reader.GetCustomAttribute(handle);
            if (attribute.Constructor.Kind != HandleKind.MemberReference)
                continue;
            EntityHandle type = reader.GetMemberReference((MemberReferenceHandle)attribute.Constructor).Parent;
            if (Names.Name(reader, type) != "System.Runtime.CompilerServices.InternalsVisibleToAttribute")
                continue;
            // II.23.3 of ECMA-335: a prolog of two bytes, then the one argument.
            BlobReader value = reader.GetBlobReader(attribute.Value);
            value.ReadUInt16();
            yield return value.ReadSerializedString()!.Split(',')[0];
        }
    }

    private ProvidedMember? Find(string type, string spelled) =>
        Chain(type).Select(t => t.Members.GetValueOrDefault(spelled)).FirstOrDefault(m => m is not null);

    private bool FindByName(string type, string name) => Chain(type).Any(t => t.Members.Values.Any(m => m.IsVirtual && m.Name == name));

    private IEnumerable<ProvidedType> Chain(string type)
    {
        string? name = type;
        while (name is not null && _types.TryGetValue(MetadataNames.WithoutArguments(name), out ProvidedType? found))
        {
            yield return found;
            name = found.BaseType;
        }
    }

    private bool IsProvided(MetadataReader reader, TypeReferenceHandle handle) => _providers.ContainsKey(ScopeOf(reader, handle));

    private static string ScopeOf(MetadataReader reader, TypeReferenceHandle handle)
    {
        EntityHandle scope = reader.GetTypeReference(handle).ResolutionScope;
        return scope.Kind switch
        {
            HandleKind.TypeReference => ScopeOf(reader, (TypeReferenceHandle)scope),
            HandleKind.AssemblyReference => reader.GetString(reader.GetAssemblyReference((AssemblyReferenceHandle)scope).Name),
            _ => "",
        };
    }

    private sealed record ProvidedType(string Assembly, string? BaseType, Dictionary<string, ProvidedMember> Members);

    private sealed record ProvidedMember(string Name, string Spelled, bool IsVirtual, bool IsAbstract, Func<string, bool> IsVisibleTo);
}
