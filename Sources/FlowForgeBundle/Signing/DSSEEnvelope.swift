internal import FlowForgeProtocol
public import Foundation

/// A DSSE v1 envelope (github.com/secure-systems-lab/dsse): a payload, what kind it is, and signatures over both.
public struct DSSEEnvelope: Sendable, Hashable {
    public struct Signature: Sendable, Hashable {
        /// A hint by whom, which nothing vouches for; other tools name keys in their own way.
        public var keyID: String?
        public var bytes: Data
    }

    public static let mediaType = "application/vnd.dsse.envelope.v1+json"
    public static let largest = 8 << 20
    public static let mostSignatures = 16

    public let payloadType: String
    public let payload: Data
    /// At least one.
    public let signatures: [Signature]

    /// What is signed: the pre-authentication encoding of the specification.
    public static func preAuthenticationEncoding(type: String, payload: Data) -> Data {
        Data("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
    }

    public init(signing payload: Data, type: String, with keys: [SigningKey]) throws(SigningFault) {
        let message = Self.preAuthenticationEncoding(type: type, payload: payload)
        var signatures: [Signature] = []
        for key in keys {
            signatures.append(Signature(keyID: key.verifying.id, bytes: try key.signature(of: message)))
        }
        payloadType = type
        self.payload = payload
        self.signatures = signatures
    }

    private struct Wire: Codable {
        struct Signature: Codable {
            var keyid: String?
            var sig: String
        }
        var payload: String
        var payloadType: String
        var signatures: [Signature]
    }

    /// Reads an envelope and trusts nothing of it. Base64 may be of either alphabet, as the specification demands, and
    /// of nothing else.
    public init(parsing bytes: Data) throws(SignatureRefusal) {
        func refuse(_ what: String) -> SignatureRefusal { SignatureRefusal(.malformed, "not a DSSE envelope: \(what)") }
        guard bytes.count <= Self.largest else { throw refuse("it has \(bytes.count) bytes; at most \(Self.largest) are read") }
        guard let wire = try? WireCoding.decode(Wire.self, from: bytes) else {
            throw refuse("it is not JSON with 'payload', 'payloadType' and 'signatures'")
        }
        guard !wire.payloadType.isEmpty, wire.payloadType.utf8.count <= 256 else {
            throw refuse("its payloadType is empty or too long")
        }
        guard !wire.signatures.isEmpty else { throw SignatureRefusal(.unsigned, "the DSSE envelope has no signature") }
        guard wire.signatures.count <= Self.mostSignatures else {
            throw refuse("it has \(wire.signatures.count) signatures; at most \(Self.mostSignatures) are read")
        }
        guard let payload = Self.decoded(wire.payload) else { throw refuse("its payload is not base64") }
        var signatures: [Signature] = []
        for (number, signature) in wire.signatures.enumerated() {
            guard let bytes = Self.decoded(signature.sig), !bytes.isEmpty, bytes.count <= 1024 else {
                throw refuse("its signature \(number + 1) is empty or not base64")
            }
            guard (signature.keyid?.utf8.count ?? 0) <= 256 else {
                throw refuse("the keyid of its signature \(number + 1) is too long")
            }
            signatures.append(Signature(keyID: signature.keyid.flatMap { $0.isEmpty ? nil : $0 }, bytes: bytes))
        }
        payloadType = wire.payloadType
        self.payload = payload
        self.signatures = signatures
    }

    private static func decoded(_ text: String) -> Data? {
        // One text is of one alphabet. Padding is often left out, and a short text shows no letter of its own alphabet.
        let isURLSafe = text.utf8.contains { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
        guard !isURLSafe || !text.utf8.contains(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") }) else { return nil }
        let standard = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        let isPadded = standard.hasSuffix("=") || standard.utf8.count % 4 == 0
        return Data(base64Encoded: isPadded ? standard : standard + String(repeating: "=", count: 4 - standard.utf8.count % 4))
    }

    public func encoded() throws(SigningFault) -> Data {
        let wire = Wire(
            payload: payload.base64EncodedString(), payloadType: payloadType,
            signatures: signatures.map { Wire.Signature(keyid: $0.keyID, sig: $0.bytes.base64EncodedString()) })
        do { return try WireCoding.encode(wire) } catch {
            throw SigningFault("the envelope cannot be written: \(error)", hint: "try again")
        }
    }

    /// Whose signatures are good, of those that `ring` trusts, by name. Key ids narrow nothing: they are not
    /// authenticated, and other tools give them in their own way.
    public func signers(among ring: KeyRing) -> [KeyRing.Entry] {
        let message = Self.preAuthenticationEncoding(type: payloadType, payload: payload)
        return ring.entries.filter { entry in
            signatures.contains { entry.key.verifies($0.bytes, of: message) }
        }
    }

    /// What the signatures say that signed them; for messages, not for decisions.
    public var claimedKeyIDs: [String] { signatures.map { Printed.id($0.keyID) } }

    private enum Printed {
        static func id(_ text: String?) -> String {
            guard let text else { return "without a key id" }
            return String(
                text.unicodeScalars.filter { $0.isASCII && $0.value > 0x20 && $0.value < 0x7F }.map(Character.init).prefix(64))
        }
    }
}
