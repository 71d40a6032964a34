import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct BundleSign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Sign a packed bundle, in an OCI layout or in the registry.",
        discussion: """
            The signature is SLSA provenance in an in-toto statement in a DSSE envelope, kept beside the bundle as an OCI \
            referrer. A bundle may have several. `flowforge bundle push --key FILE` signs on the way.

              flowforge bundle sign build/bundles --key ci-signing
              flowforge bundle sign nyc-flights@1.0.0 --key release-signing --builder-id https://ci.example.com
            """)
    struct Signed: Encodable {
        var bundle: BundleReference
        var attestation: String
        var predicateType: String
        var keyId: String
    }
    @Argument(help: "An OCI layout's folder, NAME@VERSION, or a digest.") var target: String
    @Option(help: ArgumentHelp("Which bundle of the layout, if there are several.", valueName: "name:version")) var bundle:
        String?
    @Option(help: ArgumentHelp("The folder of its sources, whose git commit the provenance names.", valueName: "dir"))
    var source: String?
    @OptionGroup var options: SigningOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global)
        let signing = try options.required(console)
        if let layout = try SignedBundle.layout(target) {
            let signed = try SignedBundle(in: layout, named: bundle)
            let attestation = try signing.attest(signed.bundle, folder: source, started: Date())
            do { try layout.write(attestation) } catch {
                throw CommandError(.failed, "storage", error.message, hint: "check the folder's owner and the disk")
            }
            return try say(attestation, signed.bundle, signing, console)
        }
        try await Remote.with(global) { remote in
            let pulled = try await remote.pull(target)
            let attestation = try signing.attest(pulled, folder: source, started: Date())
            try await remote.send(attestation)
            _ = try await remote.client.pushReferrer(attestation.digest, of: pulled.digest)
            try say(attestation, pulled, signing, console)
        }
    }

    private func say(_ attestation: Attestation, _ bundle: PackedBundle, _ signing: Signing, _ console: Console) throws {
        let signed = Signed(
            bundle: bundle.reference, attestation: attestation.digest, predicateType: attestation.statement.predicateType,
            keyId: signing.key.verifying.id)
        if console.json { return try console.print(json: signed) }
        try console.print(
            "\(bundle.manifest.name)@\(bundle.manifest.version) is signed with \(signed.keyId)\n\(signed.attestation)")
    }
}

struct BundleVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check a bundle's content and that a trusted key has signed it.",
        discussion: """
            Every digest is checked, then the signatures, against the public keys that you give and nothing else. Exit code \
            1 if none of them signed it.

              flowforge bundle verify build/bundles --key ci-signing.pub
              flowforge bundle verify nyc-flights@1.0.0 --key trusted-keys/
            """)
    struct Verified: Encodable {
        struct Signer: Encodable {
            var name: String
            var keyId: String
        }
        struct Statement: Encodable {
            var digest: String
            var predicateType: String
            var builder: String?
            var signers: [Signer]
            var predicate: JSONValue?
        }
        var bundle: BundleReference
        var statements: [Statement]
    }
    @Argument(help: "An OCI layout's folder, NAME@VERSION, or a digest.") var target: String
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Public keys that you trust: PEM files, or folders of them.", valueName: "file"))
    var key: [String] = []
    @Option(help: ArgumentHelp("Which bundle of the layout, if there are several.", valueName: "name:version")) var bundle:
        String?
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !key.isEmpty else { throw ValidationError("say whom you trust: --key FILE.pub") }
    }

    func run() async throws {
        let console = Console(global)
        let policy = SignaturePolicy(keys: try KeyRing.named(key), isRequired: true)
        if let layout = try SignedBundle.layout(target) {
            return try verify(try SignedBundle(in: layout, named: bundle), policy, console)
        }
        try await Remote.with(global) { remote in
            let pulled = try await remote.pull(target)
            try verify(
                SignedBundle(bundle: pulled, attestations: try await remote.attestations(of: pulled.digest)), policy, console)
        }
    }

    private func verify(_ signed: SignedBundle, _ policy: SignaturePolicy, _ console: Console) throws {
        let digest = signed.bundle.digest
        do throws(SignatureRefusal) {
            _ = try policy.signers(of: digest, among: signed.attestations)
        } catch {
            throw CommandError(
                .failed, error.code, error.message,
                hint: "have it signed: `flowforge bundle sign`; or trust the key that signed it")
        }
        let statements = signed.attestations.compactMap { read -> Verified.Statement? in
            guard let attestation = try? read.get() else { return nil }
            let signers = attestation.envelope.signers(among: policy.keys)
            guard !signers.isEmpty else { return nil }
            let predicate = attestation.statement.predicate
            return Verified.Statement(
                digest: attestation.digest, predicateType: attestation.statement.predicateType,
                builder: predicate?["runDetails"]?["builder"]?["id"]?.string,
                signers: signers.map { .init(name: $0.name, keyId: $0.key.id) }, predicate: predicate)
        }
        let verified = Verified(bundle: signed.bundle.reference, statements: statements)
        if console.json { return try console.print(json: verified) }
        let name = "\(signed.bundle.manifest.name)@\(signed.bundle.manifest.version)"
        var lines = ["\(console.style.paint(console.style.tick, .green)) \(name) is whole and signed, \(digest)"]
        for statement in statements {
            for signer in statement.signers {
                lines.append(
                    "  \(signer.name)  \(signer.keyId.prefix(16))…  \(Printable.line(statement.predicateType))"
                        + (statement.builder.map { "  by \(Printable.line($0))" } ?? ""))
            }
        }
        try console.print(lines.joined(separator: "\n"))
    }
}
