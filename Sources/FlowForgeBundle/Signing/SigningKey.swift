internal import Crypto
public import FlowForgeProtocol
public import Foundation

/// A private key that signs bundles and evidence. It prints as the id of its public half.
public struct SigningKey: Sendable, CustomStringConvertible, CustomReflectable {
    private enum Kind {
        case ed25519(Curve25519.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
    }

    private let kind: Kind
    public let verifying: VerifyingKey

    public var description: String { "SigningKey(\(verifying.id))" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    private init(_ kind: Kind) {
        self.kind = kind
        verifying =
            switch kind {
            case .ed25519(let key): VerifyingKey(ed25519: key.publicKey.rawRepresentation)
            case .p256(let key): VerifyingKey(key.publicKey)
            }
    }

    /// A new key.
    public init(_ algorithm: VerifyingKey.Algorithm) {
        switch algorithm {
        case .ed25519: self.init(.ed25519(Curve25519.Signing.PrivateKey()))
        case .p256: self.init(.p256(P256.Signing.PrivateKey()))
        }
    }

    private static let label = "PRIVATE KEY"
    /// RFC 8410: SEQUENCE { 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING of 32 bytes } }.
    private static let ed25519Prefix = Data([
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ])

    /// The one private key of a PEM text, PKCS #8 without a password; `place` names it in errors, which never
    /// quote it.
    public init(pem: Secret, from place: String = "the key") throws(SigningFault) {
        let blocks = try PEMBlock.read(pem.reveal(), from: place).filter { $0.label != "EC PARAMETERS" }
        guard blocks.count == 1 else {
            throw SigningFault(
                "\(place) holds \(blocks.count == 0 ? "no" : "\(blocks.count)") keys",
                hint: "a PEM file with one -----BEGIN PRIVATE KEY-----")
        }
        guard blocks[0].label == Self.label else {
            throw SigningFault(
                "\(place) holds a '\(blocks[0].label.prefix(60))', not a private key in PKCS #8",
                hint: Self.advice(blocks[0].label))
        }
        let der = blocks[0].der
        if der.count == Self.ed25519Prefix.count + 32, der.starts(with: Self.ed25519Prefix),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: der.suffix(32))
        {
            self.init(.ed25519(key))
        } else if let key = try? P256.Signing.PrivateKey(derRepresentation: der) {
            self.init(.p256(key))
        } else {
            throw SigningFault(
                "\(place): the key is neither Ed25519 nor ECDSA on P-256", hint: "make one with `flowforge key generate -o FILE`")
        }
    }

    private static func advice(_ label: String) -> String {
        switch label {
        case VerifyingKey.label: "this is the public half; sign with the private one"
        case "ENCRYPTED PRIVATE KEY": "take the password off with `openssl pkcs8 -in FILE -out NEW`"
        case "EC PRIVATE KEY": "convert it with `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW`"
        default: "a PEM file that begins with -----BEGIN PRIVATE KEY-----"
        }
    }

    /// PKCS #8, which openssl reads.
    public var pem: Secret {
        switch kind {
        case .ed25519(let key): Secret(PEMBlock.text(Self.label, Self.ed25519Prefix + key.rawRepresentation))
        case .p256(let key): Secret(PEMBlock.text(Self.label, key.derRepresentation))
        }
    }

    public func signature(of message: Data) throws(SigningFault) -> Data {
        do {
            switch kind {
            case .ed25519(let key): return try key.signature(for: message)
            case .p256(let key): return try key.signature(for: message).derRepresentation
            }
        } catch {
            throw SigningFault("the key \(verifying.id) does not sign: \(error)", hint: "try again")
        }
    }

    /// Writes the private key (mode 0600) to `file` and the public one beside it, as `<file>.pub`. Neither may be
    /// there before: a key that is written over is lost.
    public func write(to file: URL) throws(SigningFault) {
        let pub = URL(filePath: file.path + ".pub")
        for url in [file, pub] where FileManager.default.fileExists(atPath: url.path) {
            throw SigningFault("\(url.path) is there already", hint: "choose another name, or move it away")
        }
        do {
            try DurableFile.create(file, contents: Data(pem.reveal().utf8), mode: 0o600)
            try DurableFile.create(pub, contents: Data(verifying.pem.utf8), mode: 0o644)
            try DurableFile.syncFolder(file.deletingLastPathComponent())
        } catch {
            throw SigningFault("cannot write the key: \(error)", hint: "check the folder's owner and the disk")
        }
    }
}
