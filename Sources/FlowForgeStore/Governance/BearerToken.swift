internal import Crypto
public import FlowForgeProtocol
public import Foundation

/// A token that lets in whoever shows it: `<prefix>_` and 32 random bytes in base64url. The store
/// keeps ``hash``, from which the token cannot be found; looking a hash up compares nothing that
/// depends on the secret's content byte by byte.
public struct BearerToken: Sendable {
    public enum Kind: String, Sendable {
        /// Of a principal, for the operator API.
        case api = "ff"
        /// Short-lived, of a principal, for the operator API.
        case short = "fft"
        /// Of a pool, for joining.
        case join = "ffj"
    }

    public let secret: Secret
    /// SHA-256 of the whole text.
    public let hash: Data

    /// `nil` when `text` does not look like a token of this kind, so that it need not be looked up.
    public init?(_ text: String, kind: Kind) {
        guard text.hasPrefix(kind.rawValue + "_"), text.utf8.count <= 128 else { return nil }
        self.init(text: text)
    }

    public static func make(_ kind: Kind) -> Self {
        let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
        let encoded = bytes.base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
        return Self(text: "\(kind.rawValue)_\(encoded)")
    }

    private init(text: String) {
        secret = Secret(text)
        hash = Data(SHA256.hash(data: Data(text.utf8)))
    }
}
