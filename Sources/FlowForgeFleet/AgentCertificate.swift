public import Foundation
internal import SwiftASN1
internal import X509

/// What the control plane reads from a client certificate whose chain the TLS handshake has verified.
public struct AgentCertificate: Hashable, Sendable {
    /// Hex, lower case.
    public let serial: String
    public let notAfter: Date
    public let spiffeID: SPIFFEID

    /// `nil` when the certificate carries no SPIFFE id of an agent of this trust domain.
    public init?(der: [UInt8], trustDomain: String) {
        guard let certificate = try? Certificate(derEncoded: der),
            let names = try? certificate.extensions.subjectAlternativeNames
        else { return nil }
        // A SPIFFE certificate has exactly one URI (X.509-SVID standard, section 2).
        let identifiers = names.compactMap { name -> String? in
            guard case .uniformResourceIdentifier(let text) = name else { return nil }
            return text
        }
        guard identifiers.count == 1, let id = SPIFFEID(identifiers[0]), id.trustDomain == trustDomain else { return nil }
        serial = certificate.serialNumber.hex
        notAfter = certificate.notValidAfter
        spiffeID = id
    }
}
