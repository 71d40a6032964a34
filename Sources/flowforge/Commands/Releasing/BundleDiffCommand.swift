import ArgumentParser
import FlowForgeBundle
import FlowForgeProtocol
import Foundation

struct BundleDiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "What one version of a bundle changes against another.",
        discussion: """
            Tables, columns, checks, flows, tasks, triggers, parameters and files that are added, removed or changed, \
            and whether that breaks those who rely on them. Comments, formatting and the order of keys are no changes. \
            Two folders are compared without a control plane.

              flowforge bundle diff nyc-flights@1.0.0 Examples/nyc-flights
              flowforge bundle diff nyc-flights@1.0.0 nyc-flights@1.1.0 --json
              flowforge bundle diff main/shop branch/shop --exit-code
            """)
    @Argument(help: "The former: a folder with flowforge.yaml, NAME@VERSION, or a digest.") var from: String
    @Argument(help: "The latter, in the same way.") var to: String
    @Flag(help: "End with exit code 1 if they differ.") var exitCode = false
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        if PackedFolder.isFolder(from), PackedFolder.isFolder(to) {
            let console = Console(global)
            return try show(BundleDiff(built(from, console), built(to, console)), console)
        }
        for text in [from, to] where !PackedFolder.isFolder(text) && !text.contains("@") && !text.hasPrefix("sha256:") {
            throw CommandError.noBundle(text)
        }
        try await Remote.with(global) { remote in
            let bundles = (try await bundle(from, remote), try await bundle(to, remote))
            try show(BundleDiff(bundles.0, bundles.1), remote.console)
        }
    }

    private func built(_ folder: String, _ console: Console) throws -> PackedBundle {
        try PackedFolder(folder: folder, console: console).build()
    }

    private func bundle(_ text: String, _ remote: Remote) async throws -> PackedBundle {
        PackedFolder.isFolder(text) ? try built(text, remote.console) : try await remote.pull(text)
    }

    private func show(_ diff: BundleDiff, _ console: Console) throws {
        if console.json {
            try console.print(json: diff)
        } else if diff.changes.isEmpty {
            console.note("nothing changes from \(Self.name(diff.from)) to \(Self.name(diff.to))")
        } else {
            try console.print(DiffPage(diff: diff, style: console.style, width: console.width).text)
        }
        if exitCode, !diff.changes.isEmpty { throw Ended(status: .failed) }
    }

    static func name(_ bundle: BundleReference) -> String { "\(bundle.name)@\(bundle.version)" }
}
