import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeServer

/// Whom the control plane trusts, what it keeps, and the key that it signs with.
@Suite(.timeLimit(.minutes(1))) struct SupplyChainSettingsTests {
    private func settings(_ text: String, in folder: URL) throws -> ServerSettings {
        let file = folder.appending(path: "flowforged.yaml")
        try ("data_dir: .\nagent_api: {url: \"https://localhost:1\"}\n" + text).write(to: file, atomically: true, encoding: .utf8)
        return try ServerSettings(file: file)
    }

    private func fault(_ text: String, in folder: URL) -> String {
        do {
            _ = try settings(text, in: folder)
            return ""
        } catch { return "\(error)" }
    }

    @Test func `the configuration says whom to trust and what to keep`() async throws {
        try await withTemporaryFolder { folder in
            try SigningKey(.ed25519).write(to: folder.appending(path: "ci"))
            try SigningKey(.p256).write(to: folder.appending(path: "release"))
            let plain = try settings("", in: folder)
            #expect(plain.signatures == SignaturePolicy() && plain.bundles == BundleRetention())
            let one = try settings(
                "signatures: {keys: [ci.pub]}\nbundles: {keep_versions: 3, keep_days: 2, rollback_window: 4}", in: folder)
            #expect(one.signatures.isRequired && one.signatures.keys.entries.map(\.name) == ["ci"])
            #expect(one.bundles == BundleRetention(keepVersions: 3, keepAge: .seconds(2 * 86_400), rollbackWindow: 4))
            let optional = try settings("signatures: {keys: ., required: false}", in: folder)
            #expect(!optional.signatures.isRequired && optional.signatures.keys.entries.map(\.name) == ["ci", "release"])

            #expect(fault("signatures: {keys: [none.pub]}", in: folder).contains("flowforged.yaml:3:21"))
            #expect(fault("signatures: {keys: [ci]}", in: folder).contains("PRIVATE KEY"))
            #expect(fault("signatures: {required: true}", in: folder).contains("there are no keys"))
            #expect(fault("signatures: {key: [ci.pub]}", in: folder).contains("did you mean 'keys'"))
            #expect(fault("bundles: {keep_versions: 0}", in: folder).contains("keep_versions"))
        }
    }

    @Test func `the key of evidence is made once, guarded, and told to whoever asks`() async throws {
        try await withTemporaryFolder { root in
            let folder = DataFolder(root)
            let key = try folder.evidenceSigningKey()
            #expect(try folder.evidenceSigningKey().verifying == key.verifying)
            let mode = try FileManager.default.attributesOfItem(atPath: folder.evidenceKey.path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            chmod(folder.evidenceKey.path, 0o644)
            #expect(throws: StartUpFault.self) { try folder.evidenceSigningKey() }
            chmod(folder.evidenceKey.path, 0o600)
            try Data("no key".utf8).write(to: folder.evidenceKey)
            #expect(throws: StartUpFault.self) { try folder.evidenceSigningKey() }
            #expect(
                try String(contentsOf: folder.evidenceKey, encoding: .utf8) == "no key", "what cannot be read is not written over"
            )
        }
    }
}
