public import FlowForgeProtocol
public import Foundation

/// What was posted to a webhook, by the Standard Webhooks specification: `webhook-id`,
/// `webhook-timestamp` (seconds since 1970) and `webhook-signature` (`v1,<base64>`, several apart by
/// blanks), which is HMAC-SHA256 over `<id>.<timestamp>.<body>`.
public struct WebhookDelivery: Sendable {
    public let id: String
    public let timestamp: Int64
    public let signatures: [Data]
    public let body: Data

    static let mostSignatures = 8

    /// What is signed.
    public var content: Data { Data("\(id).\(timestamp).".utf8) + body }

    /// Throws ``APIError`` `invalid_request` for headers that are missing or malformed.
    public init(id: String?, timestamp: String?, signature: String?, body: Data) throws(APIError) {
        // A dot would let what was signed be read in another way.
        guard let id, (1...200).contains(id.utf8.count), id.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ".") })
        else {
            throw Self.refusal("webhook-id", "1 to 200 printable ASCII characters without blanks and dots, new for each delivery")
        }
        guard let timestamp, timestamp.utf8.count <= 12, timestamp.utf8.allSatisfy({ (48...57).contains($0) }),
            let seconds = Int64(timestamp), String(seconds) == timestamp
        else { throw Self.refusal("webhook-timestamp", "seconds since 1970") }
        let signatures = (signature ?? "").split(separator: " ").prefix(Self.mostSignatures).compactMap { part -> Data? in
            part.hasPrefix("v1,") ? Data(base64Encoded: String(part.dropFirst(3))).flatMap { $0.count == 32 ? $0 : nil } : nil
        }
        guard !signatures.isEmpty else {
            throw Self.refusal("webhook-signature", "v1,<base64 of HMAC-SHA256 over id.timestamp.body>")
        }
        self.id = id
        self.timestamp = seconds
        self.signatures = signatures
        self.body = body
    }

    private static func refusal(_ header: String, _ form: String) -> APIError {
        APIError(
            .invalidRequest, "the header \(header) is missing or malformed", hint: "send \(form); docs/triggers.md shows how")
    }
}
