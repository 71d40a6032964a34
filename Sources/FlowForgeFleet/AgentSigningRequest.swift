internal import Crypto
internal import FlowForgeProtocol
internal import SwiftASN1
internal import X509

/// A certificate signing request that proved possession of its P-256 key. Of its content only the
/// public key is ever used: names and extensions that it asks for are ignored.
struct AgentSigningRequest {
    let publicKey: Certificate.PublicKey

    /// Throws ``ErrorCode/invalidCSR`` with what is wrong.
    init(pem: String) throws(APIError) {
        let hint = "make a P-256 key and a PKCS#10 request signed with it, in PEM; flowforge-agent join does"
        let request: CertificateSigningRequest
        do {
            request = try CertificateSigningRequest(pemEncoded: pem)
        } catch {
            throw APIError(.invalidCSR, "the signing request is not a PKCS#10 request in PEM", hint: hint)
        }
        guard P256.Signing.PublicKey(request.publicKey) != nil else {
            throw APIError(.invalidCSR, "the signing request's key is not a P-256 key", hint: hint)
        }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw APIError(.invalidCSR, "the signing request is not signed with its own key", hint: hint)
        }
        publicKey = request.publicKey
    }
}
