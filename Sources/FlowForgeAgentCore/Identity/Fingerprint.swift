import Crypto
public import Foundation

/// `sha256:<64 hex>` of a certificate's DER form: how a person pins the control plane's authority.
public struct Fingerprint: Hashable, Sendable, CustomStringConvertible {
    private let hex: String

    /// Also takes the colons and capitals that `openssl x509 -fingerprint` prints. `nil` for anything else.
    public init?(_ text: String) {
        let lower = text.lowercased()
        guard lower.hasPrefix("sha256:") else { return nil }
        let digits = lower.dropFirst("sha256:".count).filter { $0 != ":" }
        guard digits.utf8.count == 64, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        hex = String(digits)
    }

    public init(der: Data) { hex = SHA256.hash(data: der).hex }

    public var description: String { "sha256:\(hex)" }
}

extension Sequence<UInt8> {
    /// Two small digits a byte.
    var hex: String { map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
}
