import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// Against moto's Secrets Manager, which verifies signatures and permissions.
@Suite(.timeLimit(.minutes(2))) struct AWSSecretsTests {
    struct Moto: Decodable, Sendable {
        var url: String
        var region: String
        var id: String
        var key: String
        var nobodyId: String
        var nobodyKey: String
    }

    static let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "moto_secrets.py")

    private func resolve(_ reference: String, _ moto: Moto, id: String? = nil, key: String? = nil) async throws -> String {
        let resolver = CredentialResolver(
            CredentialSettings(awsEndpoint: moto.url),
            environment: [
                "AWS_ACCESS_KEY_ID": id ?? moto.id, "AWS_SECRET_ACCESS_KEY": key ?? moto.key, "AWS_DEFAULT_REGION": moto.region,
            ])
        let values = try await resolver.resolve(["x"], among: ["x": reference])
        return String(decoding: values["x"]?.reveal() ?? [], as: UTF8.self)
    }

    @Test func `secrets are had by name, member and version, by those who may`() async throws {
        let secrets = ["plain=s3cr3t/+", "team/db@1=\(#"{"user":"u","password":"p w"}"#)", "rotated=first"]
        try await SideProgram.running(Self.script, secrets) { line in
            let moto = try JSONDecoder().decode(Moto.self, from: Data(line.utf8))
            #expect(try await resolve("aws-sm://plain", moto) == "s3cr3t/+")
            #expect(try await resolve("aws-sm://team/db@1#password", moto) == "p w")
            #expect(try await resolve("aws-sm://plain?region=\(moto.region)", moto) == "s3cr3t/+")
            #expect(try await resolve("aws-sm://rotated", moto) == "first-2")
            #expect(try await resolve("aws-sm://rotated?version=AWSPREVIOUS", moto) == "first")

            // moto says in XML why it refuses, which the service does not.
            let wrong: [(String, String?, String?, String)] = [
                ("aws-sm://gone", nil, nil, "ResourceNotFoundException"),
                ("aws-sm://plain?region=eu-west-1", nil, nil, "ResourceNotFoundException"),
                ("aws-sm://rotated?version=AWSPENDING", nil, nil, "ResourceNotFoundException"),
                ("aws-sm://plain", nil, String(moto.key.reversed()), "HTTP 403"),
                ("aws-sm://plain", "AKIAUNKNOWN", nil, "HTTP 403"), ("aws-sm://plain", moto.nobodyId, moto.nobodyKey, "HTTP 403"),
            ]
            for (reference, id, key, word) in wrong {
                let error = await #expect(throws: TaskError.self, "\(reference)") {
                    try await resolve(reference, moto, id: id, key: key)
                }
                #expect(error?.code == "credential_unresolved" && error?.retryable == false)
                #expect(error?.message.contains(word) == true, "\(reference): \(error as Any)")
            }
        }
    }
}
