import FlowForgeDomain
import Testing

@Suite struct CredentialReferenceTests {
    private static let vault = String(repeating: "0123456789abcdef", count: 2)

    @Test(arguments: [
        ("aws-sm://warehouse", CredentialReference.awsSecretsManager(secret: "warehouse", field: nil, version: nil, region: nil)),
        (
            "aws-sm://prod/db+x=1@y_z.w-v#user.name?version=AWSPREVIOUS&region=eu-central-1",
            .awsSecretsManager(secret: "prod/db+x=1@y_z.w-v", field: "user.name", version: "AWSPREVIOUS", region: "eu-central-1")
        ),
        (
            "aws-sm://arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/b-AbCdEf#password",
            .awsSecretsManager(
                secret: "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/b-AbCdEf", field: "password",
                version: nil,
                region: nil)
        ),
        ("azure-kv://kv-prod-1/db-password", .azureKeyVault(vault: "kv-prod-1", name: "db-password", version: nil)),
        ("azure-kv://abc/X/\(vault)", .azureKeyVault(vault: "abc", name: "X", version: vault)),
        ("gcp-sm://my-project-1/db_password/3", .gcpSecretManager(project: "my-project-1", name: "db_password", version: "3")),
        ("gcp-sm://123456789012/x/latest", .gcpSecretManager(project: "123456789012", name: "x", version: "latest")),
        ("env://WAREHOUSE_PASSWORD", .environment(name: "WAREHOUSE_PASSWORD")), ("env://_x", .environment(name: "_x")),
        ("file:///run/credentials/db.json#password", .file(path: "/run/credentials/db.json", field: "password")),
        ("file:///x", .file(path: "/x", field: nil)),
    ])
    func `a reference is read, and written as it was`(text: String, reference: CredentialReference) throws {
        #expect(try CredentialReference(text) == reference)
        #expect(reference.description == text && text.hasPrefix(reference.scheme + "://"))
    }

    @Test func `what means the same is written in the same way`() throws {
        let text = "aws-sm://x?region=eu-west-1&version=v"
        #expect(try CredentialReference(text).description == "aws-sm://x?version=v&region=eu-west-1")
        #expect(try CredentialReference("azure-kv://MyVault/x").description == "azure-kv://myvault/x")
    }

    @Test(arguments: [
        "", "x", "hunter2-the-secret-itself", "aws-sm", "aws-sm:", "aws-sm:/x", "aws-sm://", "AWS-SM://x", "s3://x", "vault://x",
        "://x",
        // Secrets Manager
        "aws-sm://#f", "aws-sm://x#", "aws-sm://x#a#b", "aws-sm://x#a/b", "aws-sm://x?", "aws-sm://x?version=",
        "aws-sm://x?region=EU",
        "aws-sm://x?region=evil.example/", "aws-sm://x?region=a.b", "aws-sm://x?region=-a", "aws-sm://x?region=a-",
        "aws-sm://x?v=1",
        "aws-sm://x?version=1&version=2", "aws-sm://x?version=1&", "aws-sm://x?version=a/b", "aws-sm://x?region=a#f",
        "aws-sm://x y",
        "aws-sm://x\ny", "aws-sm://x\u{0}", "aws-sm://ü", "aws-sm://a:b", "aws-sm://arn:aws:s3:::bucket/key", "aws-sm://x\"",
        "aws-sm://arn:aws:secretsmanager:evil.example:123456789012:secret:x",
        "aws-sm://arn:aws:secretsmanager:eu-west-1:1234:secret:x",
        "aws-sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:",
        "aws-sm://x%20y", "aws-sm://x?version=" + String(repeating: "a", count: 257),
        // Key Vault
        "azure-kv://", "azure-kv://vault", "azure-kv://vault/", "azure-kv://ab/x", "azure-kv://1abc/x", "azure-kv://a--b/x",
        "azure-kv://abc-/x", "azure-kv://evil.example/x", "azure-kv://abc/x_y", "azure-kv://abc/x/1",
        "azure-kv://abc/x/" + vault + "/y",
        "azure-kv://abc/x/" + vault.dropLast() + "g", "azure-kv://abc/..", "azure-kv://abc/x?y", "azure-kv://abc/x#y",
        "azure-kv://" + String(repeating: "a", count: 25) + "/x", "azure-kv://abc/" + String(repeating: "a", count: 128),
        // Secret Manager
        "gcp-sm://x", "gcp-sm://short/x", "gcp-sm://Project-1/x", "gcp-sm://project-1/", "gcp-sm://project-1/x/",
        "gcp-sm://project-1/a/b/c",
        "gcp-sm://project-1/x.y", "gcp-sm://project-1/x/1:access", "gcp-sm://project-1/../x", "gcp-sm://pro%2Fject/x",
        "gcp-sm://123456789012345678901/x",
        // the agent's own
        "env://", "env://1X", "env://A-B", "env://A=B", "env://A/B", "env://A#b", "env://" + String(repeating: "A", count: 129),
        "file://", "file:///", "file://x", "file://host/x", "file:///a/../b", "file:///a//b", "file:///a/", "file:///./a",
        "file:///a?b",
        "file:///a%2e", "file:///a*", "file:///a#", "file:///a#b#c", "file:///a\\b", "file:///etc/shadow\u{0}.ok",
        "file:///" + String(repeating: "a", count: 2048),
    ])
    func `anything else is refused, without being quoted`(text: String) throws {
        do throws(CredentialReferenceFault) {
            let read = try CredentialReference(text)
            Issue.record("'\(text)' was read as \(read)")
        } catch {
            #expect(!error.message.isEmpty && !error.hint.isEmpty)
            #expect(text.count < 12 || !"\(error.message) \(error.hint)".contains(text))
        }
    }
}
