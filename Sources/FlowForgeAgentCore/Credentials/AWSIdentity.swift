import FlowForgeProtocol
import Foundation

/// Access keys of AWS.
struct AWSKeys: Sendable {
    var id: String
    var secret: Secret
    var sessionToken: Secret?
}

/// Who this machine is to AWS. In the order of Amazon's own programs: the environment, the endpoint of a
/// container (ECS, EKS Pod Identity), the instance's metadata service (IMDSv2, never v1).
struct AWSIdentity: Sendable {
    var http: CloudHTTP
    var environment: [String: String]

    /// As the metadata services write them.
    private struct Grant: Decodable {
        var AccessKeyId: String
        var SecretAccessKey: String
        var Token: String?
    }

    func keys() async throws -> AWSKeys {
        if let id = variable("AWS_ACCESS_KEY_ID"), let secret = variable("AWS_SECRET_ACCESS_KEY") {
            return AWSKeys(id: id, secret: Secret(secret), sessionToken: variable("AWS_SESSION_TOKEN").map(Secret.init))
        }
        var grant = try await containerGrant()
        if grant == nil { grant = try await instanceGrant() }
        guard let grant else { throw nobody("nothing gives it keys") }
        return AWSKeys(id: grant.AccessKeyId, secret: Secret(grant.SecretAccessKey), sessionToken: grant.Token.map(Secret.init))
    }

    /// Where this machine is; `nil` where nothing says so.
    func region() async throws -> String? {
        if let region = variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") { return region }
        guard variable("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true", let token = try? await metadataToken() else {
            return nil
        }
        let answer = try await metadata("/latest/meta-data/placement/region", token)
        return answer.status == 200 ? String(decoding: answer.body, as: UTF8.self) : nil
    }

    /// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    private func containerGrant() async throws -> Grant? {
        let url: String
        if let path = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            url = "http://169.254.170.2\(path)"
        } else if let full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            // Over plain HTTP to this machine only: what is sent there is a token.
            let parts = URLComponents(string: full)
            let near = ["127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]
            guard parts?.scheme == "https" || near.contains(parts?.host ?? "") else {
                throw CredentialFault(
                    reason: "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to another machine without TLS",
                    hint: "correct the variable")
            }
            url = full
        } else {
            return nil
        }
        var request = CloudHTTP.Request(url: url, isLocal: true)
        var token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw CredentialFault(
                    reason: "the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names cannot be read",
                    hint: "look at the variable, and at who may read the file")
            }
            token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        request.headers["authorization"] = token
        let answer = try await http.send(request)
        guard answer.status == 200 else { throw nobody("the container's endpoint answered HTTP \(answer.status)") }
        return try answer.decode(Grant.self)
    }

    /// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
    private func instanceGrant() async throws -> Grant {
        guard variable("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true" else {
            throw nobody("there are no keys in its environment, and AWS_EC2_METADATA_DISABLED is set")
        }
        let token = try await metadataToken()
        let path = "/latest/meta-data/iam/security-credentials/"
        let list = try await metadata(path, token)
        let role = String(decoding: list.body, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init)
        guard list.status == 200, let role, role.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }) else {
            throw nobody("its instance has no role")
        }
        let answer = try await metadata(path + role, token)
        guard answer.status == 200 else { throw nobody("its instance's role gives no keys (HTTP \(answer.status))") }
        return try answer.decode(Grant.self)
    }

    private var metadataBase: String { variable("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? "http://169.254.169.254" }

    private func metadataToken() async throws -> String {
        let answer = try await http.send(
            CloudHTTP.Request(
                method: "PUT", url: "\(metadataBase)/latest/api/token", headers: ["x-aws-ec2-metadata-token-ttl-seconds": "60"],
                isLocal: true))
        guard answer.status == 200 else { throw nobody("the metadata service gives no token (HTTP \(answer.status))") }
        return String(decoding: answer.body, as: UTF8.self)
    }

    private func metadata(_ path: String, _ token: String) async throws -> CloudHTTP.Answer {
        try await http.send(
            CloudHTTP.Request(url: metadataBase + path, headers: ["x-aws-ec2-metadata-token": token], isLocal: true))
    }

    private func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    private func nobody(_ why: String) -> CredentialFault {
        CredentialFault(
            reason: "the agent is nobody to AWS: \(why)",
            hint: "give the machine a role, or the agent's service AWS_ACCESS_KEY_ID and so on")
    }
}
