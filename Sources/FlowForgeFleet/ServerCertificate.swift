public import Foundation
internal import SwiftASN1
internal import X509

/// What the daemon reads from its own server certificate, to renew it.
public enum ServerCertificate {
    public static func notAfter(pem: String) throws -> Date { try Certificate(pemEncoded: pem).notValidAfter }

    /// DNS names and addresses, in the certificate's order.
    public static func hosts(pem: String) throws -> [String] {
        let names = try Certificate(pemEncoded: pem).extensions.subjectAlternativeNames
        return (names.map(Array.init) ?? []).compactMap { name in
            switch name {
            case .dnsName(let host): host
            case .ipAddress(let address): IPAddress(bytes: Array(address.bytes))?.description
            default: nil
            }
        }
    }
}
