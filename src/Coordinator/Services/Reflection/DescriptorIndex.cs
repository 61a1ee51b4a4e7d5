using Google.Protobuf;
using Google.Protobuf.Reflection;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace VertFed.Coordinator.Services.Reflection;

/// <summary>What generic clients may ask of a set of .proto files: files by name, files by what they declare, names of services.</summary>
internal sealed class DescriptorIndex
{
    private readonly Dictionary<string, FileDescriptor> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _symbols = new(StringComparer.Ordinal);

    /// <param name="services">The services that are offered; their files and all that those import are known.</param>
    public DescriptorIndex(IReadOnlyCollection<ServiceDescriptor> services)
    {
        Services = [.. services.Select(service => service.FullName).Order(StringComparer.Ordinal)];
        foreach (ServiceDescriptor service in services)
            AddFile(service.File);
    }

    /// <summary>Full names, in order.</summary>
    public IReadOnlyList<string> Services { get; }

    /// <summary>The file of a name, then all it imports, serialised; null where there is none.</summary>
    public IReadOnlyList<ByteString>? File(string name) => _files.TryGetValue(name, out FileDescriptor? file) ? WithImports(file) : null;

    /// <summary>The file that declares a symbol, then all it imports, serialised; null where there is none.</summary>
    public IReadOnlyList<ByteString>? FileOfSymbol(string fullName) => _symbols.TryGetValue(fullName, out FileDescriptor? file) ? WithImports(file) : null;

    /// <summary>Whether a message of this full name is known.</summary>
    public bool HasMessage(string fullName) =>
        _symbols.TryGetValue(fullName, out FileDescriptor? file) && AllMessages(file.MessageTypes).Any(message => message.FullName == fullName);

    /// <summary>The file first, and every file before the ones that it imports.</summary>
    private static List<ByteString> WithImports(FileDescriptor file)
    {
        var done = new List<FileDescriptor>();
        Visit(file);
        done.Reverse();
        return done.ConvertAll(one => one.SerializedData);

        void Visit(FileDescriptor next)
        {
            foreach (FileDescriptor import in next.Dependencies.Where(import => !done.Contains(import)))
                Visit(import);
            done.Add(next);
        }
    }

    private static IEnumerable<MessageDescriptor> AllMessages(IEnumerable<MessageDescriptor> messages) =>
        messages.SelectMany(message => AllMessages(message.NestedTypes).Prepend(message));

    private void AddFile(FileDescriptor file)
    {
        if (!_files.TryAdd(file.Name, file))
            return;
        foreach (FileDescriptor import in file.Dependencies)
            AddFile(import);
        foreach (ServiceDescriptor service in file.Services)
        {
            _symbols[service.FullName] = file;
            foreach (MethodDescriptor method in service.Methods)
                _symbols[method.FullName] = file;
        }

        foreach (MessageDescriptor message in AllMessages(file.MessageTypes))
        {
            _symbols[message.FullName] = file;
            foreach (FieldDescriptor field in message.Fields.InDeclarationOrder())
                _symbols[field.FullName] = file;
            foreach (OneofDescriptor oneof in message.Oneofs)
                _symbols[oneof.FullName] = file;
            AddEnums(message.EnumTypes, file);
        }

        AddEnums(file.EnumTypes, file);
    }

    private void AddEnums(IEnumerable<EnumDescriptor> enums, FileDescriptor file)
    {
        foreach (EnumDescriptor type in enums)
        {
            _symbols[type.FullName] = file;
            // Values stand beside their enum, not in it.
            string scope = type.FullName[..(type.FullName.LastIndexOf('.') + 1)];
            foreach (EnumValueDescriptor value in type.Values)
                _symbols[scope + value.Name] = file;
        }
    }
}
