import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

struct EnvironmentApply: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Make environments as files declare them.",
        discussion: """
            Files are checked before anything is sent; upstreams come first. Applying what is there changes nothing. \
            What is released keeps the values that it was applied with until the next plan.

              flowforge env apply -f environments/prod.yaml
              flowforge env apply -f environments/ --dry-run
            """)
    @Option(name: [.short, .long], help: ArgumentHelp("A file, or a folder of them; may be given often.", valueName: "path"))
    var file: [String]
    @Flag(help: "Only tell what would change.") var dryRun = false
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        var results: [OperatorAPI.AppliedEnvironment] = []
        for spec in try EnvironmentFiles(console: remote.console, now: remote.now).read(file) {
            let result = try await remote.client.applyEnvironment(
                spec.name, .init(spec: try JSONValue(encoding: spec), dryRun: dryRun))
            results.append(result)
            guard !remote.console.json else { continue }
            let word =
                result.changes.isEmpty
                ? "is as declared"
                : result.created ? (dryRun ? "would be created" : "created") : (dryRun ? "would change" : "changed")
            try remote.console.print("Environment '\(spec.name)' \(word).")
            if !result.changes.isEmpty, !result.created {
                try remote.console.print(FieldChanges.text(result.changes, remote.console.style))
            }
        }
        if remote.console.json { try remote.console.print(json: ["items": results]) }
    }
}

struct EnvironmentExport: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write an environment as the file that declares it.",
        discussion: """
            Applying the file gives the same environment. With --json it is the API's form.

              flowforge env export prod > environments/prod.yaml
            """)
    @Argument(help: "Name of the environment.") var name: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        guard let json = try await remote.client.environment(name).spec else {
            throw CommandError(
                .unavailable, .internalError, "the control plane does not say how '\(name)' is declared", hint: "upgrade it")
        }
        if remote.console.json { return try remote.console.print(json: json) }
        let text = try EnvironmentWriter.text(json.decoded(as: EnvironmentSpec.self))
        try remote.console.print(text.hasSuffix("\n") ? String(text.dropLast()) : text)
    }
}

struct EnvironmentDiff: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "What differs between two environments, or between files and what is there.",
        discussion: """
            Exit code 1 with --exit-code if they differ.

              flowforge env diff qa prod
              flowforge env diff -f environments/prod.yaml
            """)
    @Argument(help: "Two environments.") var names: [String] = []
    @Option(name: [.short, .long], help: ArgumentHelp("Files or folders, against what is there.", valueName: "path"))
    var file: [String] = []
    @Flag(help: "End with exit code 1 if they differ.") var exitCode = false
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard names.count == 2 && file.isEmpty || names.isEmpty && !file.isEmpty else {
            throw ValidationError("give two environments, or -f FILE")
        }
    }

    func run(_ remote: Remote) async throws {
        var changes: [OperatorAPI.FieldChange] = []
        if file.isEmpty {
            let specs = (try await spec(names[0], remote), try await spec(names[1], remote))
            changes = FieldDiff.changes(from: specs.0, to: specs.1).filter { $0.field != "name" }
        } else {
            for spec in try EnvironmentFiles(console: remote.console, now: remote.now).read(file) {
                let result = try await remote.client.applyEnvironment(
                    spec.name, .init(spec: try JSONValue(encoding: spec), dryRun: true))
                changes += result.changes.map { .init(field: "\(spec.name): \($0.field)", before: $0.before, after: $0.after) }
            }
        }
        if remote.console.json {
            try remote.console.print(json: ["changes": changes])
        } else if changes.isEmpty {
            remote.console.note("nothing differs")
        } else {
            try remote.console.print(FieldChanges.text(changes, remote.console.style))
        }
        if exitCode, !changes.isEmpty { throw Ended(status: .failed) }
    }

    private func spec(_ name: String, _ remote: Remote) async throws -> JSONValue {
        try await remote.client.environment(name).spec ?? [:]
    }
}

struct EnvironmentOverride: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "override", abstract: "Put a value over those of the files for a time, or take it away.",
        discussion: """
            It takes effect with the next plan, as every change of configuration does.

              flowforge env override prod --var batch_size=500 --reason "incident 4711"
              flowforge env override prod --remove batch_size
            """)
    @Argument(help: "Name of the environment.") var name: String
    @Option(name: .customLong("var"), help: ArgumentHelp("The value; may be given often.", valueName: "name=value"))
    var variables: [Assignment] = []
    @Option(help: ArgumentHelp("Take away the override of a variable; may be given often.", valueName: "name")) var remove:
        [String] = []
    @Option(help: "Why; needed with --var.") var reason: String?
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if variables.isEmpty, remove.isEmpty { throw ValidationError("give --var NAME=VALUE or --remove NAME") }
        if !variables.isEmpty, reason == nil { throw ValidationError("--var needs --reason") }
    }

    func run(_ remote: Remote) async throws {
        var view: OperatorAPI.EnvironmentView?
        for (variable, value) in try variables.values(option: "--var").sorted(by: { $0.key < $1.key }) {
            view = try await remote.client.overrideVariable(variable, of: name, .init(value: value, reason: reason ?? ""))
        }
        for variable in remove { view = try await remote.client.removeOverride(variable, of: name) }
        guard let view else { return }
        try remote.show(view) { _, _ in "Overrides of '\(name)' are changed; `flowforge plan --env \(name)` shows what that does."
        }
    }
}

struct EnvironmentReleases: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "releases", abstract: "List what was released to an environment, newest first.",
        discussion: """
              flowforge env releases prod
            """)
    @Argument(help: "Name of the environment.") var name: String
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.releases(of: name, after: $0, limit: $1)
        }
        try remote.show(found, empty: "nothing was released to '\(name)'") { items, style in
            Table(
                [
                    .init("RELEASE"), .init("BUNDLE"), .init("SERIAL", right: true), .init("MADE"), .init("BY", flexible: true),
                    .init(""),
                ],
                rows: items.map {
                    [
                        $0.id.description, "\($0.bundle.name)@\($0.bundle.version)", "\($0.serial)",
                        Figures.relative($0.createdAt, to: remote.now), $0.createdBy,
                        $0.current ? style.paint("current", .green) : "",
                    ]
                })
        }
    }
}
