import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct BundleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundle", abstract: "Bundles: flows, their SQL and their checks, packed under a digest.",
        subcommands: [
            BundleValidate.self, BundleLockCommand.self, BundleBuild.self, BundlePush.self, BundlePull.self,
            BundleDiffCommand.self, BundleSign.self, BundleVerify.self, BundleShow.self, BundleList.self, BundleYank.self,
            BundleUnyank.self,
        ])
}

struct BundleValidate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Check a bundle's folder; says everything that is wrong at once.",
        discussion: """
            Problems are printed as `file:line:column: error: …` with a hint below. Exit code 1 if there are any. No \
            control plane is needed.

              flowforge bundle validate Examples/nyc-flights
            """)
    @Argument(help: "The folder with flowforge.yaml.") var folder = "."
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global)
        let manifest = try PackedFolder(folder: folder, console: console).validate()
        if console.json { return try console.print(json: manifest) }
        let tasks = manifest.flows.reduce(0) { $0 + $1.tasks.count }
        try console.print(
            "\(console.style.paint(console.style.tick, .green)) \(manifest.name)@\(manifest.version) is valid: "
                + "\(Figures.count(Int64(manifest.flows.count), "flow")), \(Figures.count(Int64(tasks), "task")).")
    }
}

struct BundleBuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Pack a bundle's folder into an OCI image layout.",
        discussion: """
            The same files give the same digest on any machine. An existing layout gets the bundle added. No control \
            plane is needed.

              flowforge bundle build Examples/nyc-flights -o build/bundles
            """)
    struct Built: Encodable {
        var bundle: BundleReference
        var layout: String
        var files: Int
        var bytes: Int64
    }
    @Argument(help: "The folder with flowforge.yaml.") var folder = "."
    @Option(name: [.short, .long], help: ArgumentHelp("Folder of the OCI layout.", valueName: "dir")) var output: String
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global)
        let bundle = try PackedFolder(folder: folder, console: console).build()
        try bundle.write(to: try OCILayout(creating: URL(filePath: output)))
        let built = Built(
            bundle: bundle.reference, layout: output, files: bundle.files.count,
            bytes: bundle.blobs.reduce(0) { $0 + $1.descriptor.size })
        if console.json { return try console.print(json: built) }
        try console.print(
            "\(bundle.manifest.name)@\(bundle.manifest.version): \(Figures.count(Int64(built.files), "file")), "
                + "\(Figures.bytes(built.bytes)), in \(output)\n\(bundle.digest)")
    }
}

struct BundlePush: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Validate, pack and store a bundle in the control plane's registry.",
        discussion: """
            Pushing the same files again changes nothing. A version that is there with other content is refused: give \
            the bundle a new version.

            With a key it is signed on the way: SLSA provenance that names the folder's git commit.

              flowforge bundle push Examples/nyc-flights
              flowforge bundle push Examples/nyc-flights --key ci-signing --builder-id https://ci.example.com
            """)
    @Argument(help: "The folder with flowforge.yaml.") var folder = "."
    @OptionGroup var options: SigningOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let packed = PackedFolder(folder: folder, console: remote.console)
        let view = try await packed.push(signedBy: options, to: remote.client)
        try remote.show(view) { _, _ in "\(view.bundle.name)@\(view.bundle.version) \(view.bundle.digest)" }
    }
}

struct BundleShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a bundle of the registry: its flows and tasks.",
        discussion: """
              flowforge bundle show nyc-flights@1.0.0
              flowforge bundle show sha256:…
            """)
    @Argument(help: "NAME@VERSION, or a digest.") var bundle: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.bundle(bundle)
        try remote.show(view) { style, width in Self.page(view, style, width, remote) }
    }

    private static func page(_ view: OperatorAPI.BundleView, _ style: Style, _ width: Int?, _ remote: Remote) -> String {
        var fields = Fields()
        fields.add("bundle", "\(view.bundle.name)@\(view.bundle.version)")
        fields.add("digest", view.bundle.digest)
        fields.add("description", view.description.isEmpty ? nil : Printable.line(view.description))
        fields.add("size", Figures.bytes(view.bytes))
        fields.add("pushed", "\(Figures.relative(view.pushedAt, to: remote.now)) by \(view.pushedBy)")
        fields.add(
            "yanked", view.yanked.map { "\(Figures.relative($0.at, to: remote.now)) by \($0.by): \(Printable.line($0.reason))" })
        for signature in view.signatures ?? [] {
            let signers = signature.signers.map { "\($0.name) (\($0.keyId.prefix(16))…)" }.joined(separator: ", ")
            fields.add(
                "signed", "\(signers.isEmpty ? "by nobody trusted" : "by \(signers)"): \(Printable.line(signature.predicateType))"
            )
        }
        return
            ([fields.render(style)]
            + (view.flows ?? []).map { flow in
                let table = Table(
                    [
                        .init("TASK"), .init("LAYER"), .init("ENGINE"), .init("LOAD"), .init("CHECKS", right: true),
                        .init("OUTPUT"), .init("INPUTS", flexible: true),
                    ],
                    rows: flow.tasks.map { task in
                        [
                            task.name, task.layer.rawValue, task.engine, task.load, "\(task.checks)",
                            task.output?.description ?? "",
                            task.inputs.map(\.description).joined(separator: " "),
                        ]
                    })
                let title =
                    style.paint(flow.name, .bold) + (flow.description.isEmpty ? "" : "  \(Printable.line(flow.description))")
                return title + "\n" + table.render(style, width: width)
            } + columns(of: view.assets ?? [], style, width)).joined(separator: "\n\n")
    }

    private static func columns(of assets: [OperatorAPI.BundleAssetView], _ style: Style, _ width: Int?) -> [String] {
        guard !assets.isEmpty else { return [] }
        let table = Table(
            [.init("ASSET"), .init("COLUMNS", flexible: true)],
            rows: assets.map { asset in
                let columns = asset.columns.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
                return [asset.name.description, columns.isEmpty ? "not known" : Printable.line(columns)]
            })
        return [table.render(style, width: width)]
    }
}

struct BundleList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the bundles of the registry.",
        discussion: """
              flowforge bundle list
            """)
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.bundles(after: $0, limit: $1)
        }
        try remote.show(found, empty: "no bundles; store one with `flowforge bundle push FOLDER`") { items, _ in
            Table(
                [
                    .init("BUNDLE"), .init("DIGEST", flexible: true), .init("SIZE", right: true), .init("PUSHED"),
                    .init("BY", flexible: true),
                ],
                rows: items.map {
                    [
                        "\($0.bundle.name)@\($0.bundle.version)" + ($0.yanked == nil ? "" : " (yanked)"), $0.bundle.digest,
                        Figures.bytes($0.bytes),
                        Figures.relative($0.pushedAt, to: remote.now), $0.pushedBy,
                    ]
                })
        }
    }
}
