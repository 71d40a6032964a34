import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

struct EnvelopeTests {
    static let digest = ContentDigest.of(Data("bundle".utf8))
    static let statement = InTotoStatement(
        subject: .init(name: "sample@1.0.0", digest: digest), predicateType: Provenance.predicateType,
        predicate: ["text": "Grüße / \u{1F600} ???>>>???>>>", "number": 3])

    static func ring(_ keys: SigningKey...) -> KeyRing {
        KeyRing(keys.enumerated().map { .init(name: "key\($0)", key: $1.verifying) })
    }

    @Test func `what is signed is the specification's encoding`() {
        let encoded = DSSEEnvelope.preAuthenticationEncoding(
            type: "http://example.com/HelloWorld", payload: Data("hello world".utf8))
        #expect(String(decoding: encoded, as: UTF8.self) == "DSSEv1 29 http://example.com/HelloWorld 11 hello world")
    }

    @Test func `the signature of the specification's example is accepted`() throws {
        // Its key by its coordinates, its signature (r and s as 32 bytes each) in DER.
        let key = try VerifyingKey(
            pem: """
                -----BEGIN PUBLIC KEY-----
                MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr
                CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==
                -----END PUBLIC KEY-----
                """)
        let envelope = try DSSEEnvelope(
            parsing: Data(
                """
                {"payload": "aGVsbG8gd29ybGQ=", "payloadType": "http://example.com/HelloWorld", "signatures": [{"sig": \
                "MEQCIANyarEBrVbCdjtsaqyOSHJ14qeRk6CdxfhZ2fjvPEo7AiBR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}
                """.utf8))
        #expect(envelope.signers(among: KeyRing([.init(name: "example", key: key)])).count == 1)
    }

    @Test(arguments: VerifyingKey.Algorithm.allCases)
    func `an envelope is read back as it was written, and its signer is known`(algorithm: VerifyingKey.Algorithm) throws {
        let (key, other) = (SigningKey(algorithm), SigningKey(algorithm))
        let envelope = try Self.statement.signed(with: [key])
        let read = try DSSEEnvelope(parsing: envelope.encoded())
        #expect(read == envelope)
        #expect(try InTotoStatement(in: read) == Self.statement)
        #expect(read.signers(among: Self.ring(other, key)).map(\.key) == [key.verifying])
        #expect(read.signers(among: Self.ring(other)).isEmpty)
        #expect(read.claimedKeyIDs == [key.verifying.id])
    }

    @Test func `of several signatures each that is good counts, whatever its key id says`() throws {
        let (one, two, stranger) = (SigningKey(.ed25519), SigningKey(.p256), SigningKey(.ed25519))
        var json = try Self.json(Self.statement.signed(with: [stranger, one, two]))
        #expect(try Self.parsed(json).signers(among: Self.ring(one, two)).count == 2)
        // A lie about who signed changes nothing, nor does saying nothing.
        var signatures = try #require(json["signatures"] as? [[String: Any]])
        signatures[0]["keyid"] = one.verifying.id
        signatures[1]["keyid"] = nil
        signatures[2]["keyid"] = ""
        json["signatures"] = signatures
        let lying = try Self.parsed(json)
        #expect(Set(lying.signers(among: Self.ring(one, two)).map(\.key)) == [one.verifying, two.verifying])
        json["signatures"] = [signatures[0]]
        #expect(try Self.parsed(json).signers(among: Self.ring(one)).isEmpty)
    }

    @Test func `a changed payload or payload type is signed by nobody`() throws {
        let key = SigningKey(.ed25519)
        var json = try Self.json(Self.statement.signed(with: [key]))
        let payload = try #require(json["payload"])
        json["payload"] = Data("{}".utf8).base64EncodedString()
        #expect(try Self.parsed(json).signers(among: Self.ring(key)).isEmpty)
        json["payload"] = payload
        json["payloadType"] = "application/json"
        #expect(try Self.parsed(json).signers(among: Self.ring(key)).isEmpty)
        #expect(throws: SignatureRefusal.self) { try InTotoStatement(in: Self.parsed(json)) }
    }

    @Test func `both alphabets of base64 are read, and nothing else`() throws {
        let key = SigningKey(.ed25519)
        let json = try Self.json(Self.statement.signed(with: [key]))
        let payload = try #require(json["payload"] as? String)
        func read(_ payload: String) -> [KeyRing.Entry]? {
            var json = json
            json["payload"] = payload
            return try? Self.parsed(json).signers(among: Self.ring(key))
        }
        let urlSafe = payload.replacing("+", with: "-").replacing("/", with: "_")
        #expect(read(payload)?.count == 1)
        #expect(read(urlSafe)?.count == 1)
        #expect(urlSafe != payload)
        #expect(read(String(urlSafe.prefix { $0 != "=" }))?.count == 1)
        for broken in ["*" + payload, payload + "\n", " " + payload, payload + "A", "+-" + payload.dropFirst(2), "ä"] {
            #expect(read(broken) == nil, "\(broken.prefix(10))")
        }
    }

    @Test func `what is no envelope is refused with the reason`() throws {
        let json = try Self.json(Self.statement.signed(with: [SigningKey(.ed25519)]))
        func reason(_ change: (inout [String: Any]) -> Void) -> SignatureRefusal.Reason? {
            var json = json
            change(&json)
            do {
                _ = try Self.parsed(json)
                return nil
            } catch { return (error as? SignatureRefusal)?.reason }
        }
        let signature = try #require((json["signatures"] as? [[String: Any]])?.first)
        #expect(reason { $0["signatures"] = [] as [Any] } == .unsigned)
        #expect(reason { $0["signatures"] = nil } == .malformed)
        #expect(reason { $0["signatures"] = Array(repeating: signature, count: 17) } == .malformed)
        #expect(reason { $0["signatures"] = [["sig": "%%%"]] } == .malformed)
        #expect(reason { $0["signatures"] = [["sig": ""]] } == .malformed)
        #expect(reason { $0["signatures"] = [["keyid": "x"]] } == .malformed)
        #expect(reason { $0["signatures"] = [["sig": Data(count: 5000).base64EncodedString()]] } == .malformed)
        #expect(reason { $0["signatures"] = [["sig": "AAAA", "keyid": String(repeating: "k", count: 300)]] } == .malformed)
        #expect(reason { $0["payload"] = nil } == .malformed)
        #expect(reason { $0["payload"] = 7 } == .malformed)
        #expect(reason { $0["payloadType"] = "" } == .malformed)
        #expect(reason { $0["payloadType"] = String(repeating: "t", count: 300) } == .malformed)
        for bytes in [Data(), Data("[]".utf8), Data("no JSON".utf8), Data([0xFF, 0xFE]), Data(count: DSSEEnvelope.largest + 1)] {
            #expect(throws: SignatureRefusal.self) { try DSSEEnvelope(parsing: bytes) }
        }
        // Deeper than any honest statement; it must end, and not the process.
        let deep = Data(#"{"payload":"#.utf8) + Data(repeating: UInt8(ascii: "["), count: 100_000)
        #expect(throws: SignatureRefusal.self) { try DSSEEnvelope(parsing: deep) }
    }

    @Test func `statements of other types, or about nothing, are refused`() throws {
        let key = SigningKey(.ed25519)
        func refused(_ change: (inout InTotoStatement) -> Void) throws -> Bool {
            var statement = Self.statement
            change(&statement)
            let envelope = try statement.signed(with: [key])
            return (try? InTotoStatement(in: envelope)) == nil
        }
        #expect(try !refused { _ in })
        #expect(try refused { $0.type = "https://in-toto.io/Statement/v0.1" })
        #expect(try refused { $0.subject = [] })
        #expect(try refused { $0.subject[0].digest = [:] })
        #expect(try refused { $0.predicateType = "" })
        let text = try DSSEEnvelope(signing: Data("no JSON".utf8), type: InTotoStatement.payloadType, with: [key])
        #expect(throws: SignatureRefusal.self) { try InTotoStatement(in: text) }
        #expect(Self.statement.isAbout(Self.digest))
        #expect(!Self.statement.isAbout(ContentDigest.of(Data())))
        #expect(
            !InTotoStatement(subject: .init(name: nil, digest: ["sha256": ""]), predicateType: "x", predicate: nil).isAbout(
                "sha256:"))
    }

    static func json(_ envelope: DSSEEnvelope) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: envelope.encoded()) as? [String: Any])
    }

    static func parsed(_ json: [String: Any]) throws -> DSSEEnvelope {
        try DSSEEnvelope(parsing: JSONSerialization.data(withJSONObject: json))
    }
}
