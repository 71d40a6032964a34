internal import Crypto
public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation

/// The secrets that the control plane shares with the systems that gates ask. None is stored: each is derived
/// (HKDF, RFC 5869) from the CA's key, the environment and the gate (docs/decisions/0022).
public struct GateKeys: Sendable {
    private let key: SymmetricKey

    /// `key` has at least 32 bytes of randomness in it, in any form.
    public init(key: Data) { self.key = SymmetricKey(data: key) }

    /// `whsec_` and 32 bytes in base64, as https://www.standardwebhooks.com has it.
    public func secret(environment: String, gate: String) -> Secret {
        Secret("whsec_" + signing(environment, gate).withUnsafeBytes { Data($0) }.base64EncodedString())
    }

    // Neither name has a blank in it, so that no two pairs give the same text.
    private func signing(_ environment: String, _ gate: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, info: Data("flowforge gate \(environment) \(gate)".utf8), outputByteCount: 32)
    }

    /// The value of `webhook-signature`.
    public func signature(
        environment: String, gate: String, id: String, timestamp: Int64, body: Data
    ) -> String {
        let code = HMAC<SHA256>.authenticationCode(
            for: Data("\(id).\(timestamp).".utf8) + body, using: signing(environment, gate))
        return "v1,\(Data(code).base64EncodedString())"
    }

    /// Takes the same time for each signature, right or wrong.
    public func signs(_ delivery: WebhookDelivery, environment: String, gate: String) -> Bool {
        let key = signing(environment, gate)
        return delivery.signatures.reduce(false) { isSigned, signature in
            let valid = HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: delivery.content, using: key)
            return valid || isSigned
        }
    }
}
