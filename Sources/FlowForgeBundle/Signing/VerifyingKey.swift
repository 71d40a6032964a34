internal import Crypto
public import Foundation

/// The public half of a key that signs bundles and evidence: Ed25519 (RFC 8032), or ECDSA on P-256 with
/// SHA-256 and signatures in DER. Which of the two is said by the key alone, never by what is verified.
public struct VerifyingKey: Sendable, Hashable {
    public enum Algorithm: String, Sendable, CaseIterable, Codable { case ed25519, p256 }

    public let algorithm: Algorithm
    /// SubjectPublicKeyInfo (RFC 5280) in DER.
    public let spki: Data
    /// SHA-256 of ``spki``: 64 hexadecimal digits, which `openssl pkey -pubin -outform DER | sha256sum` prints too.
    public let id: String

    static let label = "PUBLIC KEY"
    /// RFC 8410: SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }.
    private static let ed25519Prefix = Data([0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00])

    private init(_ algorithm: Algorithm, spki: Data) {
        self.algorithm = algorithm
        self.spki = spki
        id = String(ContentDigest.of(spki).dropFirst("sha256:".count))
    }

    init(ed25519 raw: Data) { self.init(.ed25519, spki: Self.ed25519Prefix + raw) }

    init(_ key: P256.Signing.PublicKey) { self.init(.p256, spki: key.derRepresentation) }

    /// The one public key of a PEM text; `place` names it in errors.
    public init(pem: String, from place: String = "the key") throws(SigningFault) {
        let keys = try Self.all(pem: pem, from: place)
        guard keys.count == 1 else {
            throw SigningFault("\(place) holds \(keys.count) public keys", hint: "give a file with one")
        }
        self = keys[0]
    }

    /// Every public key of a PEM text, at least one.
    public static func all(pem: String, from place: String) throws(SigningFault) -> [VerifyingKey] {
        var keys: [VerifyingKey] = []
        for block in try PEMBlock.read(pem, from: place) {
            guard block.label == label else {
                throw SigningFault("\(place) holds a '\(block.label.prefix(60))', not a public key", hint: advice(block.label))
            }
            keys.append(try read(block.der, place))
        }
        guard !keys.isEmpty else {
            throw SigningFault("\(place) holds no public key", hint: "a PEM file that begins with -----BEGIN PUBLIC KEY-----")
        }
        return keys
    }

    private static func read(_ der: Data, _ place: String) throws(SigningFault) -> VerifyingKey {
        if der.count == ed25519Prefix.count + 32, der.starts(with: ed25519Prefix) {
            return VerifyingKey(ed25519: Data(der.dropFirst(ed25519Prefix.count)))
        }
        if let key = try? P256.Signing.PublicKey(derRepresentation: der) { return VerifyingKey(key) }
        throw SigningFault(
            "\(place): the key is neither Ed25519 nor ECDSA on P-256", hint: "make one with `flowforge key generate -o FILE`")
    }

    private static func advice(_ label: String) -> String {
        switch label {
        case _ where label.hasSuffix("PRIVATE KEY"):
            "give the public half: FILE.pub, or what `openssl pkey -in FILE -pubout` prints; keep the private one where it signs"
        case "CERTIFICATE": "take its key with `openssl x509 -in FILE -noout -pubkey`"
        default: "a PEM file that begins with -----BEGIN PUBLIC KEY-----"
        }
    }

    public var pem: String { PEMBlock.text(Self.label, spki) }

    /// Whether `signature` is this key's of `message`. False too for what is no signature at all.
    public func verifies(_ signature: Data, of message: Data) -> Bool {
        switch algorithm {
        case .ed25519:
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: spki.suffix(32)) else { return false }
            return key.isValidSignature(signature, for: message)
        case .p256:
            guard let key = try? P256.Signing.PublicKey(derRepresentation: spki),
                let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: message)
        }
    }
}
