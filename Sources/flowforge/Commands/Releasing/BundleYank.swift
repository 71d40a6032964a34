import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct BundleYank: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "yank", abstract: "Withdraw a version: it is released nowhere anew.",
        discussion: """
            What is released of it runs on, until another version is deployed. Yanking again changes the reason.

              flowforge bundle yank nyc-flights@1.0.0 --reason "loses late rows"
            """)
    @Argument(help: "NAME@VERSION.") var bundle: String
    @Option(help: ArgumentHelp("Why, for those who ask for it.", valueName: "text")) var reason: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.bundle(bundle).bundle
        let view = try await remote.client.yankBundle(found.name, version: found.version, reason: reason)
        try remote.show(view) { _, _ in "\(found.name)@\(found.version) is yanked; what is released of it runs on." }
    }
}

struct BundleUnyank: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "unyank", abstract: "Take the withdrawal of a version back.",
        discussion: """
              flowforge bundle unyank nyc-flights@1.0.0
            """)
    @Argument(help: "NAME@VERSION.") var bundle: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.bundle(bundle).bundle
        let view = try await remote.client.unyankBundle(found.name, version: found.version)
        try remote.show(view) { _, _ in "\(found.name)@\(found.version) can be released again." }
    }
}
