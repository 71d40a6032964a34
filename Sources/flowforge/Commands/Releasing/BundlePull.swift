import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct BundlePull: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Get a bundle of the registry into an OCI image layout.",
        discussion: """
            The bytes are those that were pushed, checked against their digests; what is signed about it comes along, \
            unverified (`flowforge bundle verify` does that). An existing layout gets the bundle \
            added; skopeo and oras read it.

              flowforge bundle pull nyc-flights@1.0.0 -o build/bundles
            """)
    @Argument(help: "NAME@VERSION, or a digest.") var bundle: String
    @Option(name: [.short, .long], help: ArgumentHelp("Folder of the OCI layout.", valueName: "dir")) var output: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let pulled = try await remote.pull(bundle)
        let layout = try OCILayout(creating: URL(filePath: output))
        try pulled.write(to: layout)
        for read in try await remote.attestations(of: pulled.digest) {
            switch read {
            case .success(let attestation): try layout.write(attestation)
            case .failure(let refusal): remote.console.complain("warning: left out: \(refusal)")
            }
        }
        try remote.show(pulled.reference) { _, _ in
            "\(pulled.manifest.name)@\(pulled.manifest.version) is in \(output)\n\(pulled.digest)"
        }
    }
}
