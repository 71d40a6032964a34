import ArgumentParser
import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// With what a bundle is signed, and what the provenance says of who builds.
struct SigningOptions: ParsableArguments {
    static let keyVariable = "FLOWFORGE_SIGNING_KEY"
    static let builderVariable = "FLOWFORGE_BUILDER_ID"

    @Option(
        help: ArgumentHelp(
            "Private key in PEM, Ed25519 or P-256. FLOWFORGE_SIGNING_KEY stands in for it: the file, or the PEM text itself.",
            valueName: "file"))
    var key: String?
    @Option(
        help: ArgumentHelp(
            "Who builds, as the provenance says it: a URI. FLOWFORGE_BUILDER_ID stands in for it.", valueName: "uri"))
    var builderId: String?
    @Option(help: ArgumentHelp("Names this build at the builder, e.g. the address of the CI job.", valueName: "text"))
    var invocationId: String?

    func validate() throws {
        if let builderId, !Self.isURI(builderId) {
            throw ValidationError("--builder-id must be a URI, e.g. https://ci.example.com")
        }
    }

    /// `nil` where nothing is to be signed.
    func signing(_ console: Console, _ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Signing? {
        guard let text = key ?? environment[Self.keyVariable], !text.isEmpty else {
            guard builderId == nil, invocationId == nil else {
                throw CommandError(
                    .usage, "usage", "--builder-id and --invocation-id are part of a signature",
                    hint: "give --key FILE too, or set \(Self.keyVariable)")
            }
            return nil
        }
        let builder = builderId ?? environment[Self.builderVariable].flatMap { $0.isEmpty ? nil : $0 } ?? Provenance.localBuilder
        guard Self.isURI(builder) else {
            throw CommandError(.usage, "usage", "\(Self.builderVariable) must be a URI", hint: "e.g. https://ci.example.com")
        }
        return Signing(key: try Self.read(text, console), builder: builder, invocation: invocationId)
    }

    func required(_ console: Console) throws -> Signing {
        guard let signing = try signing(console) else {
            throw CommandError(
                .usage, "usage", "there is no key to sign with", hint: "give --key FILE, or set \(Self.keyVariable)")
        }
        return signing
    }

    private static func read(_ text: String, _ console: Console) throws -> SigningKey {
        do {
            if text.contains("-----BEGIN") { return try SigningKey(pem: Secret(text), from: keyVariable) }
            guard let pem = try? String(contentsOfFile: text, encoding: .utf8) else {
                throw SigningFault("the key \(text) cannot be read", hint: "check its path, owner and mode")
            }
            let mode = (try? FileManager.default.attributesOfItem(atPath: text)[.posixPermissions] as? NSNumber)?.intValue ?? 0
            if mode & 0o077 != 0 { console.complain("warning: others can read your private key; run `chmod 600 \(text)`") }
            return try SigningKey(pem: Secret(pem), from: text)
        } catch let fault as SigningFault {
            throw CommandError(.usage, "invalid_key", fault.message, hint: fault.hint)
        }
    }

    private static func isURI(_ text: String) -> Bool {
        guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else { return false }
        return text.index(after: colon) != text.endIndex && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            && text[..<colon].allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
    }
}

/// A key, and what is said of who signs with it.
struct Signing {
    let key: SigningKey
    let builder: String
    let invocation: String?

    /// SLSA provenance of the bundle. `folder` is where its sources lie, if that is known.
    func attest(
        _ bundle: PackedBundle, folder: String?, started: Date, finished: Date = Date()
    ) throws -> Attestation {
        let provenance = Provenance(
            bundle: bundle.reference, source: folder.flatMap { GitCheckout(of: URL(filePath: $0)) }, builder: builder,
            invocation: invocation, started: started, finished: finished)
        do {
            return try Attestation(provenance.statement, of: bundle.descriptor, signedWith: [key])
        } catch {
            throw CommandError(.failed, "invalid_key", error.message, hint: error.hint)
        }
    }
}
