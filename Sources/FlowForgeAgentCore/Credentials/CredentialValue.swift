import Foundation

/// A resolved secret. It prints as `[redacted]`, has no `==`, and cannot be encoded.
struct CredentialValue: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    static let largest = 64 << 10
    private let bytes: [UInt8]

    /// Throws where it is empty or larger than ``largest``.
    init(_ bytes: some Sequence<UInt8>) throws(CredentialFault) {
        self.bytes = Array(bytes)
        guard !self.bytes.isEmpty else { throw CredentialFault(reason: "the secret is empty", hint: "give it a value") }
        guard self.bytes.count <= Self.largest else {
            throw CredentialFault(
                reason: "the secret has more than \(Self.largest) bytes", hint: "a credential is a key, not a file")
        }
    }

    func reveal() -> [UInt8] { bytes }

    /// The member of a secret that is a JSON object; the whole where `field` is `nil`.
    func member(_ field: String?) throws(CredentialFault) -> CredentialValue {
        guard let field else { return self }
        // Foundation's errors quote the text; ours do not.
        guard let object = (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any] else {
            throw CredentialFault(reason: "the secret is no JSON object", hint: "leave out '#\(field)', or store an object")
        }
        switch object[field] {
        case let text as String: return try CredentialValue(text.utf8)
        case let number as NSNumber:
            guard let text = try? JSONSerialization.data(withJSONObject: number, options: .fragmentsAllowed) else { break }
            return try CredentialValue(text)
        default: break
        }
        throw CredentialFault(
            reason: "the secret has no member '\(field)' that is text, a number or a boolean",
            hint: "correct the reference's '#\(field)', or add it to the secret")
    }

    var description: String { "[redacted]" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: []) }
}
