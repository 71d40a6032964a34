import Crypto
import Foundation
import NIOSSL

/// Whom to believe when a server says that it is the control plane.
public enum ServerTrust: Hashable, Sendable {
    /// Only servers whose certificate leads to one of these roots (PEM), whatever the machine trusts.
    case pinned(String)
    /// The machine's own list of roots, for control planes behind a public certificate.
    case system

    func tlsConfiguration() throws(ClientError) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        if case .pinned(let pem) = self { configuration.trustRoots = .certificates(try Self.certificates(in: pem)) }
        return configuration
    }

    static func certificates(in pem: String) throws(ClientError) -> [NIOSSLCertificate] {
        do {
            let found = try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))
            if !found.isEmpty { return found }
        } catch {}
        throw ClientError(
            .invalidTrust, "the CA file holds no PEM certificate",
            hint: "use the file that `flowforged init` wrote (ca.pem), or --ca-fingerprint")
    }

    /// `sha256:<64 hex>` of each certificate's DER form, in the order of the file.
    public static func fingerprints(ofPEM pem: String) throws(ClientError) -> [String] {
        do {
            return try certificates(in: pem).map { fingerprint(ofDER: try $0.toDERBytes()) }
        } catch let error as ClientError {
            throw error
        } catch {
            throw ClientError(.invalidTrust, "the CA certificate cannot be read: \(error)", hint: "fetch the file again")
        }
    }

    static func fingerprint(ofDER bytes: [UInt8]) -> String {
        "sha256:" + SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
    }

    /// The form in which fingerprints are compared: lower case, `sha256:` in front, without colons
    /// between the bytes (as OpenSSL prints them). `nil` where `text` is none.
    static func normalised(fingerprint text: String) -> String? {
        var digits = text.lowercased()
        if digits.hasPrefix("sha256:") { digits.removeFirst(7) }
        digits.removeAll { $0 == ":" }
        guard digits.count == 64, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        return "sha256:" + digits
    }
}
