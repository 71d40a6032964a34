import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Keys that sign bundles, and the one that signs the control plane's evidence.",
        subcommands: [KeyGenerate.self, KeyShow.self, KeyEvidence.self])
}

/// What is said of a key.
private struct KeyView: Codable {
    var keyId: String
    var algorithm: String
    var name: String?
    var pem: String

    init(_ key: VerifyingKey, name: String? = nil) {
        keyId = key.id
        algorithm = key.algorithm.rawValue
        self.name = name
        pem = key.pem
    }
}

struct KeyGenerate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Make a key that signs bundles. Needs no control plane.",
        discussion: """
            Writes the private key to FILE (mode 0600, PKCS #8) and the public one to FILE.pub, which openssl reads too. \
            Nothing is written over. Give FILE.pub to who shall trust it: signatures.keys of the control plane and of the \
            agents.

              flowforge key generate -o ci-signing
              flowforge key generate --type p256 -o ci-signing
            """)
    @Option(help: ArgumentHelp("ed25519 or p256.", valueName: "type")) var type = "ed25519"
    @Option(name: [.short, .long], help: ArgumentHelp("The private key's file.", valueName: "file")) var output: String
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard VerifyingKey.Algorithm(rawValue: type) != nil else { throw ValidationError("--type must be ed25519 or p256") }
    }

    func run() async throws {
        let console = Console(global)
        let key = SigningKey(VerifyingKey.Algorithm(rawValue: type) ?? .ed25519)
        do { try key.write(to: URL(filePath: output)) } catch {
            throw CommandError(.failed, "invalid_key", error.message, hint: error.hint)
        }
        if console.json { return try console.print(json: KeyView(key.verifying)) }
        console.note("private key in \(output): keep it where it signs, and a copy where nobody else comes")
        try console.print("\(output).pub\n\(key.verifying.id)")
    }
}

struct KeyShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the ids of public keys. Needs no control plane.",
        discussion: """
            The id is the SHA-256 of the key's SubjectPublicKeyInfo, as \
            `openssl pkey -pubin -in FILE -outform DER | sha256sum` prints it.

              flowforge key show ci-signing.pub
            """)
    @Argument(help: ArgumentHelp("PEM files, or folders of them.", valueName: "file")) var files: [String]
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global)
        let ring = try KeyRing.named(files)
        if console.json {
            return try console.print(json: OperatorAPI.Page(items: ring.entries.map { KeyView($0.key, name: $0.name) }))
        }
        try console.print(
            Table(
                [.init("KEY"), .init("TYPE"), .init("ID")],
                rows: ring.entries.map { [$0.name, $0.key.algorithm.rawValue, $0.key.id] }
            ).render(console.style, width: console.width))
    }
}

struct KeyEvidence: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "evidence", abstract: "Print the public key with which the control plane signs evidence.",
        discussion: """
              flowforge key evidence > control-plane.pub
            """)
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let key = try await remote.client.evidenceKey()
        remote.console.note(key.keyId)
        try remote.show(key) { _, _ in key.pem.trimmingCharacters(in: .newlines) }
    }
}

extension KeyRing {
    static func named(_ files: [String]) throws -> KeyRing {
        do throws(SigningFault) {
            return try KeyRing(files: files.map { URL(filePath: $0) })
        } catch {
            throw CommandError(.usage, "invalid_key", error.message, hint: error.hint)
        }
    }
}
