import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct AdminGC: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Remove bundles and blobs from the registry that nothing refers to.",
        discussion: """
            What retention does not keep (bundles.keep_versions and .keep_days of the control plane's configuration; without \
            them no bundle goes) and no current release, no release within bundles.rollback_window and no open run needs. \
            Blobs of unfinished uploads stay for a day. Names and versions stay taken.

              flowforge admin gc --dry-run
              flowforge admin gc
            """)
    @Flag(help: "Only say what would be removed.") var dryRun = false
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.collectGarbage(dryRun: dryRun)
        try remote.show(view) { style, width in
            let what =
                "\(Figures.count(Int64(view.bundles.count), "bundle")) and \(Figures.count(Int64(view.blobs), "blob")) "
                + "(\(Figures.bytes(view.bytes))) \(view.dryRun ? "would be removed" : "removed")"
            guard !view.bundles.isEmpty else { return what }
            let table = Table(
                [.init("BUNDLE"), .init("DIGEST", flexible: true)],
                rows: view.bundles.map { ["\($0.name)@\($0.version)", $0.digest] })
            return table.render(style, width: width) + "\n\n" + what
        }
    }
}
