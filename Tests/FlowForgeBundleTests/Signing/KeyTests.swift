import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

struct KeyTests {
    static let message = Data("what is signed".utf8)

    @Test(arguments: VerifyingKey.Algorithm.allCases)
    func `openssl reads our keys, verifies our signatures, and names the key as we do`(algorithm: VerifyingKey.Algorithm)
        async throws
    {
        try await withTemporaryFolder { folder in
            let key = SigningKey(algorithm)
            let file = folder.appending(path: "signer")
            try key.write(to: file)
            let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let derived = try await run("openssl", ["pkey", "-in", file.path, "-pubout"])
            #expect(derived == key.verifying.pem)
            #expect(try String(contentsOf: URL(filePath: file.path + ".pub"), encoding: .utf8) == derived)
            let spki = folder.appending(path: "spki").path
            _ = try await run("openssl", ["pkey", "-pubin", "-in", file.path + ".pub", "-outform", "DER", "-out", spki])
            #expect(try await run("sha256sum", [spki]).hasPrefix(key.verifying.id))

            let (message, signature) = (folder.appending(path: "message"), folder.appending(path: "signature"))
            try Self.message.write(to: message)
            try key.signature(of: Self.message).write(to: signature)
            let arguments = algorithm == .ed25519 ? ["-rawin"] : ["-rawin", "-digest", "sha256"]
            let said = try await run(
                "openssl",
                ["pkeyutl", "-verify", "-pubin", "-inkey", file.path + ".pub", "-in", message.path, "-sigfile", signature.path]
                    + arguments)
            #expect(said.contains("Signature Verified Successfully"))
        }
    }

    @Test(arguments: [
        (VerifyingKey.Algorithm.ed25519, ["genpkey", "-algorithm", "ed25519"]),
        (.p256, ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ])
    func `keys and signatures of openssl are taken`(algorithm: VerifyingKey.Algorithm, arguments: [String]) async throws {
        try await withTemporaryFolder { folder in
            let (file, pub) = (folder.appending(path: "key").path, folder.appending(path: "key.pub").path)
            _ = try await run("openssl", arguments + ["-out", file])
            _ = try await run("openssl", ["pkey", "-in", file, "-pubout", "-out", pub])
            let key = try SigningKey(pem: Secret(try String(contentsOfFile: file, encoding: .utf8)))
            #expect(key.verifying.algorithm == algorithm)
            let verifying = try VerifyingKey(pem: try String(contentsOfFile: pub, encoding: .utf8))
            #expect(verifying == key.verifying)
            let (message, signature) = (folder.appending(path: "message"), folder.appending(path: "signature"))
            try Self.message.write(to: message)
            _ = try await run(
                "openssl",
                ["pkeyutl", "-sign", "-inkey", file, "-rawin", "-in", message.path, "-out", signature.path]
                    + (algorithm == .p256 ? ["-digest", "sha256"] : []))
            let bytes = try Data(contentsOf: signature)
            #expect(verifying.verifies(bytes, of: Self.message))
            #expect(!verifying.verifies(bytes, of: Self.message + Data([0])))
            #expect(!SigningKey(algorithm).verifying.verifies(bytes, of: Self.message))
            #expect(!verifying.verifies(bytes.dropLast(), of: Self.message))
            #expect(!verifying.verifies(Data(), of: Self.message))
        }
    }

    @Test(arguments: [
        (["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "neither Ed25519 nor"),
        (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "neither Ed25519 nor"),
        (["genpkey", "-algorithm", "x25519"], "neither Ed25519 nor"),
        (["ecparam", "-name", "prime256v1", "-genkey"], "pkcs8 -topk8"),
        (["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret"], "password"),
    ])
    func `keys of other kinds are refused with what to do`(arguments: [String], says: String) async throws {
        let pem = try await run("openssl", arguments)
        let fault = #expect(throws: SigningFault.self) { try SigningKey(pem: Secret(pem), from: "ci.key") }
        #expect(fault?.description.contains(says) == true, "\(fault?.description ?? "")")
        #expect(fault?.description.contains("ci.key") == true)
    }

    @Test func `damaged and mistaken PEM texts are refused`() throws {
        let key = SigningKey(.ed25519)
        let (pem, pub) = (key.pem.reveal(), key.verifying.pem)
        func fault(_ text: String) -> String? {
            do {
                _ = try VerifyingKey.all(pem: text, from: "k")
                return nil
            } catch { return error.description }
        }
        #expect(fault(pub) == nil)
        #expect(fault("Made for tests\n" + pub + "\n" + pub) == nil)
        #expect(fault(pem)?.contains("PRIVATE KEY") == true)
        #expect(fault(pem)?.contains(pem.split(separator: "\n")[1]) == false)
        #expect(fault("")?.contains("no public key") == true)
        #expect(fault(pub.replacing("-----END PUBLIC KEY-----", with: ""))?.contains("cut") == true)
        #expect(fault(pub.replacing("END PUBLIC", with: "END OTHER"))?.contains("cut") == true)
        #expect(fault("-----BEGIN PUBLIC KEY-----\n" + pub)?.contains("cut") == true)
        #expect(fault("-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----")?.contains("damaged") == true)
        #expect(fault("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")?.contains("neither") == true)
        #expect(fault(String(repeating: "x", count: 70_000))?.contains("70000 bytes") == true)
        #expect(throws: SigningFault.self) { try SigningKey(pem: Secret(pub)) }
        #expect(throws: SigningFault.self) { try SigningKey(pem: Secret(pem + pem)) }
        #expect("\(key)" == "SigningKey(\(key.verifying.id))")
    }

    @Test func `a ring is read from files and folders, and has no key twice`() async throws {
        try await withTemporaryFolder { folder in
            let (first, second) = (SigningKey(.ed25519), SigningKey(.p256))
            try first.write(to: folder.appending(path: "ci"))
            let keys = folder.appending(path: "keys")
            try FileManager.default.createDirectory(at: keys, withIntermediateDirectories: true)
            #expect(throws: SigningFault.self) { try KeyRing(files: [keys]) }
            try Data(second.verifying.pem.utf8).write(to: keys.appending(path: "release.pem"))
            try Data("read me".utf8).write(to: keys.appending(path: "README"))
            let ring = try KeyRing(files: [folder.appending(path: "ci.pub"), keys])
            #expect(ring.entries.map(\.name) == ["ci", "release"])
            #expect(KeyRing(ring.entries + ring.entries) == ring)
            #expect(throws: SigningFault.self) { try KeyRing(files: [folder.appending(path: "none.pub")]) }
            #expect(throws: SigningFault.self) { try KeyRing(files: [folder.appending(path: "ci")]) }
            // A key that is written over is lost.
            #expect(throws: SigningFault.self) { try second.write(to: folder.appending(path: "ci")) }
        }
    }
}
