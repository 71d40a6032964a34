import Crypto
import FlowForgeProtocol
import Foundation

/// AWS Signature Version 4 of one request with its body in hand
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
struct AWSSignature: Sendable {
    var keys: AWSKeys
    var region: String
    var service: String
    var date: Date

    /// The headers to send: `headers` with `x-amz-date`, the session token and `authorization`. All of them
    /// are signed, so none may be changed or added on the way. `path` is as it is sent, with nothing to encode.
    func sign(method: String, path: String, query: String = "", headers: [String: String], body: Data) -> [String: String] {
        let stamp = Self.timestamp(date)
        var headers = Dictionary(uniqueKeysWithValues: headers.map { ($0.key.lowercased(), $0.value) })
        headers["x-amz-date"] = stamp
        if let token = keys.sessionToken { headers["x-amz-security-token"] = token.reveal() }
        let names = headers.keys.sorted()
        let canonical = [
            method, path, query, names.map { "\($0):\(Self.trimmed(headers[$0] ?? ""))\n" }.joined(),
            names.joined(separator: ";"),
            SHA256.hash(data: body).hex,
        ].joined(separator: "\n")
        let scope = "\(stamp.prefix(8))/\(region)/\(service)/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(SHA256.hash(data: Data(canonical.utf8)).hex)"
        var key = SymmetricKey(data: Data("AWS4\(keys.secret.reveal())".utf8))
        for part in scope.split(separator: "/") {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Data(part.utf8), using: key))
        }
        let signature = HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key).hex
        headers["authorization"] =
            "AWS4-HMAC-SHA256 Credential=\(keys.id)/\(scope), SignedHeaders=\(names.joined(separator: ";")), Signature=\(signature)"
        return headers
    }

    /// `20150830T123600Z`.
    private static func timestamp(_ date: Date) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        func digits(_ number: Int?, _ count: Int = 2) -> String {
            let text = String(number ?? 0)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return digits(parts.year, 4) + digits(parts.month) + digits(parts.day) + "T" + digits(parts.hour) + digits(parts.minute)
            + digits(parts.second) + "Z"
    }

    private static func trimmed(_ text: String) -> String {
        text.split(separator: " ").joined(separator: " ")
    }
}
