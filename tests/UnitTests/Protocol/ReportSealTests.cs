using System.Text;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>Report parts for the submitter's eyes.</summary>
public sealed class ReportSealTests
{
    private const string Job = "000102030405060708090a0b0c0d0e0f";

    [Fact]
    public void A_report_opens_for_its_submitter_and_names_its_signer()
    {
        using Identity party = Identity.Create();
        using Identity submitter = Identity.Create();
        SealedReport report = ReportSeal.Seal(Job, "bank", party, submitter.Public, "{\"auc\":0.8}"u8);
        OpenedReport opened = ReportSeal.Open(Job, report, submitter);

        Assert.Equal("{\"auc\":0.8}", Encoding.UTF8.GetString(opened.Content));
        Assert.Equal("bank", opened.Party);
        Assert.Equal(party.Public, opened.Signer);
        Assert.Equal(-1, report.Ciphertext.Span.IndexOf("auc"u8));
    }

    [Fact]
    public void Two_seals_of_one_report_share_nothing()
    {
        using Identity party = Identity.Create();
        using Identity submitter = Identity.Create();

        Assert.NotEqual(
            ReportSeal.Seal(Job, "bank", party, submitter.Public, "{}"u8).Ciphertext,
            ReportSeal.Seal(Job, "bank", party, submitter.Public, "{}"u8).Ciphertext);
    }

    [Fact]
    public void Another_reader_another_job_and_any_change_do_not_verify()
    {
        using Identity party = Identity.Create();
        using Identity submitter = Identity.Create();
        using Identity other = Identity.Create();
        SealedReport genuine = ReportSeal.Seal(Job, "bank", party, submitter.Public, "{}"u8);

        Assert.Equal(ErrorCode.DoesNotVerify, Assert.Throws<VertFedException>(() => ReportSeal.Open(Job, genuine, other)).Code);
        Assert.Equal(ErrorCode.DoesNotVerify, Assert.Throws<VertFedException>(() => ReportSeal.Open(Job.Replace('f', 'e'), genuine, submitter)).Code);
        Refused(ErrorCode.DoesNotVerify, r => r.Party = "retailer");
        Refused(ErrorCode.DoesNotVerify, r => r.IdentityKey = other.Public.SubjectPublicKeyInfo.ToArray().ToByteString());
        Refused(ErrorCode.DoesNotVerify, r => r.EphemeralKey = other.Public.SubjectPublicKeyInfo.ToArray().ToByteString());
        Refused(ErrorCode.DoesNotVerify, r => r.Ciphertext = new byte[18].ToByteString());
        Refused(ErrorCode.ProtocolViolation, r => r.Ciphertext = new byte[15].ToByteString());
        Refused(ErrorCode.ProtocolViolation, r => r.Ciphertext = new byte[ReportSeal.MaxReportBytes + 17].ToByteString());
        Refused(ErrorCode.ProtocolViolation, r => r.EphemeralKey = new byte[91].ToByteString());

        void Refused(ErrorCode code, Action<SealedReport> change)
        {
            SealedReport copy = genuine.Clone();
            change(copy);
            Assert.Equal(code, Assert.Throws<VertFedException>(() => ReportSeal.Open(Job, copy, submitter)).Code);
        }
    }
}
