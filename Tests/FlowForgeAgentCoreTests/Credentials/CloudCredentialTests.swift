import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

/// Azure and Google as their published descriptions say (Key Vault's and Secret Manager's REST, and the
/// metadata services); no stand-in of them exists that others have written.
@Suite(.timeLimit(.minutes(1))) struct CloudCredentialTests {
    private static let version = String(repeating: "0123456789abcdef", count: 2)
    private typealias Answers = @Sendable (TestRequest) -> TestAnswer

    /// Answers by path; keeps what it was asked.
    private final class Cloud: Sendable {
        let asked = Mutex<[TestRequest]>([])
        let answers: Answers
        init(_ answers: @escaping Answers) { self.answers = answers }
        func answer(_ request: TestRequest) -> TestAnswer {
            asked.withLock { $0.append(request) }
            return answers(request)
        }
    }

    private func resolve(
        _ reference: String, environment: [String: String] = [:], _ answers: @escaping Answers
    ) async throws -> (value: Result<String, TaskError>, asked: [TestRequest]) {
        let cloud = Cloud(answers)
        let server = try await TestServer(plain: { cloud.answer($0) })
        let base = "http://127.0.0.1:\(server.port)"
        var settings = CredentialSettings(awsRegion: "eu-west-1", awsEndpoint: base, azureEndpoint: base, gcpEndpoint: base)
        settings.azureClient = "11111111-2222-3333-4444-555555555555"
        var environment = environment.mapValues { $0.replacing("SERVER", with: base) }
        environment["GCE_METADATA_HOST"] = "127.0.0.1:\(server.port)"
        environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = base
        let resolver = CredentialResolver(settings, environment: environment, azureMetadata: base)
        let result: Result<String, TaskError>
        do {
            let values = try await resolver.resolve(["x"], among: ["x": reference])
            result = .success(String(decoding: values["x"]?.reveal() ?? [], as: UTF8.self))
        } catch let error as TaskError {
            result = .failure(error)
        }
        await server.stop()
        return (result, cloud.asked.withLock { $0 })
    }

    private static func json(_ text: String, _ status: Int = 200) -> TestAnswer {
        TestAnswer(status: status, body: Data(text.utf8))
    }

    @Test(arguments: [nil, version]) func `Key Vault is asked as the machine's identity`(version: String?) async throws {
        let part = version.map { "/\($0)" } ?? ""
        let (value, asked) = try await resolve("azure-kv://kv-prod/db-password\(part)") { request in
            request.path.hasPrefix("/metadata/")
                ? Self.json(#"{"access_token":"tok","expires_in":"3599","token_type":"Bearer"}"#)
                : Self.json(#"{"value":"s3cr3t","id":"https://kv-prod.vault.azure.net/secrets/db-password/x","attributes":{}}"#)
        }
        #expect(try value.get() == "s3cr3t" && asked.count == 2)
        #expect(
            asked[0].path == "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
                + "&client_id=11111111-2222-3333-4444-555555555555")
        #expect(asked[0].headers["metadata"] == "true" && asked[0].method == "GET")
        #expect(asked[1].path == "/kv-prod/secrets/db-password\(part)?api-version=7.4")
        #expect(asked[1].headers["authorization"] == "Bearer tok")
    }

    @Test(arguments: [nil, "7"]) func `Secret Manager is asked as the machine's service account`(version: String?) async throws {
        let (value, asked) = try await resolve("gcp-sm://my-project/db\(version.map { "/\($0)" } ?? "")") { request in
            request.path.hasPrefix("/computeMetadata/")
                ? Self.json(#"{"access_token":"tok","expires_in":3599,"token_type":"Bearer"}"#)
                : Self.json(
                    #"{"name":"projects/1/secrets/db/versions/7","payload":{"data":"MTIzNDU2Nzg5","dataCrc32c":"3808858755"}}"#)
        }
        #expect(try value.get() == "123456789" && asked.count == 2)
        #expect(asked[0].path == "/computeMetadata/v1/instance/service-accounts/default/token")
        #expect(asked[0].headers["metadata-flavor"] == "Google")
        #expect(asked[1].path == "/v1/projects/my-project/secrets/db/versions/\(version ?? "latest"):access")
        #expect(asked[1].headers["authorization"] == "Bearer tok")
    }

    @Test func `a secret that was damaged on the way is not handed on`() async throws {
        let (value, _) = try await resolve("gcp-sm://my-project/db") { request in
            request.path.hasPrefix("/computeMetadata/")
                ? Self.json(#"{"access_token":"tok"}"#)
                : Self.json(#"{"payload":{"data":"MTIzNDU2Nzg4","dataCrc32c":"3808858755"}}"#)
        }
        #expect(throws: TaskError.self) { try value.get() }
    }

    @Test func `AWS is asked as the instance's role, by IMDSv2 only`() async throws {
        let (value, asked) = try await resolve("aws-sm://db#password?version=AWSPREVIOUS") { request in
            switch request.path {
            case "/latest/api/token": TestAnswer(status: request.method == "PUT" ? 200 : 405, body: Data("imds".utf8))
            case "/latest/meta-data/iam/security-credentials/": TestAnswer(body: Data("agent-role\n".utf8))
            case "/latest/meta-data/iam/security-credentials/agent-role":
                Self.json(#"{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"SECRET","Token":"SESSION"}"#)
            default: Self.json(#"{"Name":"db","SecretString":"{\"password\":\"s3cr3t\"}"}"#)
            }
        }
        #expect(try value.get() == "s3cr3t" && asked.count == 4)
        #expect(asked[1...2].allSatisfy { $0.headers["x-aws-ec2-metadata-token"] == "imds" })
        let last = asked[3]
        #expect(last.method == "POST" && last.headers["x-amz-target"] == "secretsmanager.GetSecretValue")
        #expect(last.headers["content-type"] == "application/x-amz-json-1.1" && last.headers["x-amz-security-token"] == "SESSION")
        let authorization = last.headers["authorization"] ?? ""
        #expect(authorization.contains("/eu-west-1/secretsmanager/aws4_request, SignedHeaders=content-type;host;"))
        let question = try JSONDecoder().decode([String: String].self, from: last.body)
        #expect(question == ["SecretId": "db", "VersionStage": "AWSPREVIOUS"])
    }

    @Test func `AWS is asked as the container's role, with its token`() async throws {
        let (value, asked) = try await resolve(
            "aws-sm://db?version=\(Self.version)",
            environment: [
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "SERVER/role", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container",
            ]
        ) { request in
            request.path == "/role"
                ? Self.json(#"{"AccessKeyId":"AKID","SecretAccessKey":"SECRET","Token":"SESSION"}"#)
                : Self.json(#"{"SecretBinary":"AAEC"}"#)
        }
        #expect(try value.get() == "\u{0}\u{1}\u{2}" && asked.count == 2 && asked[0].headers["authorization"] == "container")
        #expect(try JSONDecoder().decode([String: String].self, from: asked[1].body)["VersionId"] == Self.version)
    }

    @Test func `a container's token that cannot be read is said, and nobody is asked without it`() async throws {
        let (value, asked) = try await resolve(
            "aws-sm://db",
            environment: [
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "SERVER/role", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere/token",
            ]
        ) { _ in Self.json("{}") }
        let error = #expect(throws: TaskError.self) { try value.get() }
        #expect(error?.message.contains("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names cannot be read") == true)
        #expect(asked.isEmpty)
    }

    @Test func `a container's endpoint elsewhere without TLS gets no token`() async throws {
        let (value, asked) = try await resolve(
            "aws-sm://db",
            environment: [
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.9/role", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t",
            ]
        ) { _ in Self.json("{}") }
        #expect(throws: TaskError.self) { try value.get() }
        #expect(asked.isEmpty)
    }

    @Test(arguments: [
        (404, false), (403, false), (401, false), (400, false), (302, false), (429, true), (500, true), (503, true),
    ])
    func `a refusal says whether another attempt may help, and quotes nothing`(status: Int, retryable: Bool) async throws {
        for reference in ["azure-kv://kv-prod/x", "gcp-sm://my-project/x", "aws-sm://x"] {
            let (value, _) = try await resolve(
                reference, environment: ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "planted-key"]
            ) { request in
                let isToken = request.path.hasPrefix("/metadata/") || request.path.hasPrefix("/computeMetadata/")
                if isToken { return Self.json(#"{"access_token":"planted-token"}"#) }
                return Self.json(
                    #"{"error":{"code":"Bad planted!","status":"planted text"},"__type":"x#planted one","message":"planted"}"#,
                    status)
            }
            guard case .failure(let error) = value else {
                Issue.record("\(reference) was resolved")
                continue
            }
            #expect(error.code == "credential_unresolved" && error.retryable == retryable, "\(reference): \(error)")
            #expect(!"\(error)".contains("planted") && error.message.contains(reference.prefix { $0 != ":" }), "\(error)")
        }
    }

    @Test func `answers that are none, and nobody there, fail clearly`() async throws {
        let texts = [
            "", "<html>planted</html>", "{}", "[]", #"{"access_token":7}"#,
            #"{"access_token":"t","value":3,"payload":{"data":"%%%"}}"#,
        ]
        for text in texts {
            for reference in ["azure-kv://kv-prod/x", "gcp-sm://my-project/x"] {
                let (value, _) = try await resolve(reference) { _ in Self.json(text) }
                guard case .failure(let error) = value else {
                    Issue.record("\(reference): \(text) was resolved")
                    continue
                }
                #expect(!"\(error)".contains("planted"))
            }
        }
        let resolver = CredentialResolver(
            CredentialSettings(awsRegion: "x", awsEndpoint: "http://127.0.0.1:1"),
            environment: ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"])
        let error = await #expect(throws: TaskError.self) { try await resolver.resolve(["x"], among: ["x": "aws-sm://x"]) }
        #expect(error?.retryable == true && error?.message.contains("127.0.0.1") == true)
    }

    @Test func `checksums are Castagnoli's`() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([]) == 0)
    }
}
