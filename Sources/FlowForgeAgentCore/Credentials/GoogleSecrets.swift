import FlowForgeProtocol
import Foundation

/// Google Cloud Secret Manager, `versions.access`, as the machine's service account. Written from Google's
/// documentation (https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access and
/// https://cloud.google.com/compute/docs/access/authenticate-workloads); never tried against the service.
struct GoogleSecrets: Sendable {
    var http: CloudHTTP
    var settings: CredentialSettings
    var metadata = "http://metadata.google.internal"

    private struct Token: Decodable {
        var access_token: String
    }

    private struct Access: Decodable {
        struct Payload: Decodable {
            var data: Data?
            /// An int64, which JSON of Google's writes as text.
            var dataCrc32c: String?
        }
        var payload: Payload?
    }

    private struct Refusal: Decodable {
        struct Fault: Decodable { var status: String? }
        var error: Fault?
    }

    func value(project: String, name: String, version: String?) async throws -> CredentialValue {
        let token = try await token()
        let base = settings.gcpEndpoint ?? "https://secretmanager.googleapis.com"
        let answer = try await http.send(
            CloudHTTP.Request(
                url: "\(base)/v1/projects/\(project)/secrets/\(name)/versions/\(version ?? "latest"):access",
                headers: ["authorization": "Bearer \(token.reveal())", "accept": "application/json"]))
        guard answer.status == 200 else { throw Self.refusal(answer) }
        let payload = try answer.decode(Access.self).payload
        let data = payload?.data ?? Data()
        if let sum = payload?.dataCrc32c, Int64(sum) != Int64(CRC32C.checksum(data)) {
            throw CredentialFault(
                reason: "the secret was damaged on its way from Google Cloud Secret Manager", hint: "the next attempt asks again",
                isPassing: true)
        }
        return try CredentialValue(data)
    }

    private func token() async throws -> Secret {
        let answer = try await http.send(
            CloudHTTP.Request(
                url: "\(metadata)/computeMetadata/v1/instance/service-accounts/default/token",
                headers: ["metadata-flavor": "Google"],
                isLocal: true))
        guard answer.status == 200 else {
            throw CredentialFault(
                reason: "the machine's service account gives no token (HTTP \(answer.status))",
                hint: "run the agent's machine as a service account with the scope cloud-platform",
                isPassing: answer.status >= 500 || answer.status == 429)
        }
        return Secret(try answer.decode(Token.self).access_token)
    }

    private static func refusal(_ answer: CloudHTTP.Answer) -> CredentialFault {
        let status = CredentialFault.word((try? JSONDecoder().decode(Refusal.self, from: answer.body))?.error?.status)
        let hint =
            switch answer.status {
            case 404: "check the project, the secret's name and its version"
            case 401, 403: "give the agent's service account the role Secret Manager Secret Accessor"
            default: "see the status in the documentation of Google Cloud Secret Manager"
            }
        return CredentialFault(
            reason: "Google Cloud Secret Manager answered \(status ?? "HTTP \(answer.status)")", hint: hint,
            isPassing: answer.status >= 500 || answer.status == 429)
    }
}

/// Castagnoli's checksum (RFC 3720, appendix B.4).
enum CRC32C {
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
        }
        return ~sum
    }
}
