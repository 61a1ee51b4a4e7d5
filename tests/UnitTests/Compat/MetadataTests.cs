using System.Buffers;
using System.Text;
using Grpc.Core;
using Xunit;

namespace VertFed.UnitTests.Compat;

public sealed class MetadataTests
{
    [Fact]
    public void Keys_are_lower_case_and_found_in_any_case()
    {
        var metadata = new Metadata { { "Request-Id", "1" }, { "request-id", "2" } };

        Assert.All(metadata, entry => Assert.Equal("request-id", entry.Key));
        Assert.Equal("2", metadata.GetValue("REQUEST-ID"));
        Assert.Equal(["1", "2"], metadata.GetAll("Request-id").Select(entry => entry.Value));
        Assert.Null(metadata.GetValue("other"));
        Assert.Null(metadata.Get("other"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a:b")]
    [InlineData("clé")]
    [InlineData("a\nb")]
    public void A_key_with_other_characters_is_refused(string key) =>
        Assert.Throws<ArgumentException>(() => new Metadata.Entry(key, "value"));

    [Fact]
    public void The_key_decides_whether_a_value_is_text_or_bytes()
    {
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("a-bin", "text"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("a", new byte[] { 1 }));
        Assert.Throws<InvalidOperationException>(() => new Metadata.Entry("a-bin", new byte[] { 1 }).Value);
        Assert.Equal("x"u8.ToArray(), new Metadata.Entry("a", "x").ValueBytes);
    }

    [Fact]
    public void Bytes_are_copied_in_and_out()
    {
        byte[] value = [1, 2];
        var entry = new Metadata.Entry("a-bin", value);
        value[0] = 9;
        entry.ValueBytes[1] = 9;

        Assert.Equal([1, 2], entry.ValueBytes);
    }

    [Fact]
    public void The_shared_empty_metadata_cannot_be_filled()
    {
        Assert.True(Metadata.Empty.IsReadOnly);
        Assert.Throws<InvalidOperationException>(() => Metadata.Empty.Add("a", "b"));
        Assert.Empty(Metadata.Empty);
    }

    [Fact]
    public void Either_form_of_a_marshaller_serves_both_uses()
    {
        Marshaller<string> contextual = Marshallers.Create(
            (message, context) =>
            {
                byte[] bytes = Encoding.UTF8.GetBytes(message);
                context.SetPayloadLength(bytes.Length);
                context.GetBufferWriter().Write(bytes);
                context.Complete();
            },
            context => Encoding.UTF8.GetString(context.PayloadAsReadOnlySequence()));
        Marshaller<string> simple = Marshallers.StringMarshaller;

        Assert.Equal("grüß", contextual.Deserializer(simple.Serializer("grüß")));
        Assert.Equal("grüß", simple.Deserializer(contextual.Serializer("grüß")));
        Assert.Equal("", contextual.Deserializer(contextual.Serializer("")));
    }

    [Fact]
    public void A_contextual_serialiser_must_complete_exactly_once()
    {
        Marshaller<string> never = Marshallers.Create((string _, SerializationContext _) => { }, _ => "");
        Marshaller<string> twice = Marshallers.Create(
            (string _, SerializationContext context) =>
            {
                context.Complete([1]);
                context.Complete([2]);
            },
            _ => "");

        Assert.Throws<InvalidOperationException>(() => never.Serializer("x"));
        Assert.Throws<InvalidOperationException>(() => twice.Serializer("x"));
    }

    [Fact]
    public void Call_options_change_by_copy()
    {
        var original = new CallOptions();
        var headers = new Metadata { { "a", "b" } };
        CallOptions changed = original.WithHeaders(headers).WithWaitForReady().WithDeadline(DateTime.UnixEpoch);

        Assert.Same(headers, changed.Headers);
        Assert.True(changed.IsWaitForReady);
        Assert.Equal(DateTime.UnixEpoch, changed.Deadline);
        Assert.False(changed.WithWaitForReady(false).IsWaitForReady);
        Assert.Null(original.Headers);
        Assert.Null(original.Deadline);
        Assert.False(original.IsWaitForReady);
    }
}
