import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct DeployCommand: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy", abstract: "Make a bundle an environment's current release.",
        discussion: """
            A folder is validated, packed and pushed first. Deploying what is current changes nothing.

              flowforge deploy Examples/nyc-flights --env dev
              flowforge deploy nyc-flights@1.0.0 --env prod
            """)
    @Argument(help: "A folder with flowforge.yaml, NAME@VERSION, or a digest.") var bundle: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @OptionGroup var options: SigningOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let (release, created) = try await remote.client.deploy(bundle: try await reference(remote), to: env)
        try remote.show(release) { _, _ in
            let name = "\(release.bundle.name)@\(release.bundle.version)"
            return created
                ? "\(name) is deployed to '\(env)' as its release \(release.serial)."
                : "\(name) was the current release of '\(env)' already (release \(release.serial))."
        }
    }

    /// Pushes a folder and gives its digest; anything else is a reference as it is.
    private func reference(_ remote: Remote) async throws -> String {
        guard PackedFolder.isFolder(bundle) else {
            guard bundle.contains("@") || bundle.hasPrefix("sha256:") else {
                throw CommandError.noBundle(bundle)
            }
            return bundle
        }
        let packed = PackedFolder(folder: bundle, console: remote.console)
        return try await packed.push(signedBy: options, to: remote.client).bundle.digest
    }
}
