internal import Crypto
internal import FlowForgeDomain
internal import FlowForgeProtocol
public import Foundation

/// The secrets of webhooks. None is stored: each is derived (HKDF, RFC 5869) from the CA's key, the
/// trigger's id and how often its secret was made, so that who reads the database, or a copy of it, can
/// sign nothing.
public struct WebhookKeys: Sendable {
    private let key: SymmetricKey

    /// `key` has at least 32 bytes of randomness in it, in any form.
    public init(key: Data) { self.key = SymmetricKey(data: key) }

    /// `whsec_` and 32 bytes in base64, as https://www.standardwebhooks.com has it.
    func secret(_ trigger: ID<Trigger>, serial: Int) -> Secret {
        Secret("whsec_" + signing(trigger, serial).withUnsafeBytes { Data($0) }.base64EncodedString())
    }

    fileprivate func signing(_ trigger: ID<Trigger>, _ serial: Int) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, info: Data("flowforge webhook \(trigger) \(serial)".utf8), outputByteCount: 32)
    }

    /// Whether one of the delivery's signatures was made with the trigger's secret of one of these serials.
    /// Takes the same time for each signature, right or wrong.
    func signs(_ delivery: WebhookDelivery, _ trigger: ID<Trigger>, serials: [Int]) -> Bool {
        let content = delivery.content
        var isSigned = false
        for serial in serials {
            let key = signing(trigger, serial)
            for signature in delivery.signatures {
                let valid = HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: content, using: key)
                isSigned = valid || isSigned
            }
        }
        return isSigned
    }
}
