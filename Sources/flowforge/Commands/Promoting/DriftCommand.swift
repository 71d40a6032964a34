import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct DriftCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift", abstract: "What is not as it was applied to an environment.",
        subcommands: [DriftShow.self, DriftAdopt.self, DriftRevert.self, DriftSuppress.self, DriftUnsuppress.self])
}

struct DriftShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what has drifted.",
        discussion: """
            The control plane looks by itself every fifteen minutes; --look looks now. Exit code 3 with --exit-code if \
            something has drifted and is not suppressed, 1 if nobody has looked yet.

              flowforge drift show --env prod --look
            """)
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Flag(help: "Look now.") var look = false
    @Flag(help: "Show suppressed findings, too.") var all = false
    @Flag(help: "End with exit code 3 if something has drifted.") var exitCode = false
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        var view = look ? try await remote.client.lookForDrift(env) : try await remote.client.drift(env)
        let open = view.findings.filter { $0.suppression == nil }
        if !all { view.findings = open }
        try remote.show(view) { style, width in
            let looked = view.lookedAt.map { "Looked \(Figures.relative($0, to: remote.now))." }
            guard !view.findings.isEmpty else {
                return looked.map { "Nothing in '\(env)' has drifted. \($0)" }
                    ?? "Nobody has looked at '\(env)' yet; a change of it may be under way. --look looks now."
            }
            let table = Table(
                [.init("FINDING"), .init("SINCE"), .init("WHAT", flexible: true)],
                rows: view.findings.map { finding in
                    let note =
                        finding.suppression.map {
                            " (suppressed by \($0.owner) until \(Figures.time($0.until, in: remote.console.zone)): \($0.reason))"
                        } ?? ""
                    return [finding.key, Figures.relative(finding.since, to: remote.now), Printable.line(finding.message + note)]
                }
            ).render(style, width: width)
            return [table, looked.map { style.paint($0, .dim) }].compactMap(\.self).joined(separator: "\n")
        }
        guard exitCode else { return }
        if !open.isEmpty { throw Ended(status: .planDrift) }
        // What was not looked at may be anything.
        if view.lookedAt == nil { throw Ended(status: .failed) }
    }
}

/// Which finding.
struct FindingOptions: ParsableArguments {
    @Argument(help: "The finding, as `flowforge drift show` names it.") var finding: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
}

struct DriftAdopt: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt", abstract: "Make what was found what is wanted.",
        discussion: """
              flowforge drift adopt snapshot:gold.revenue --env prod
            """)
    @OptionGroup var options: FindingOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.adoptDrift(options.finding, of: options.env)
        try remote.show(view) { _, _ in "'\(options.finding)' is adopted." }
    }
}

struct DriftRevert: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert", abstract: "Make it again as it was applied.",
        discussion: """
              flowforge drift revert schedule:daily.nightly --env prod
            """)
    @OptionGroup var options: FindingOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.revertDrift(options.finding, of: options.env)
        try remote.show(view) { _, _ in "'\(options.finding)' is reverted." }
    }
}

struct DriftSuppress: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "suppress", abstract: "Leave a finding alone until a time, in your name.",
        discussion: """
              flowforge drift suppress schedule:daily.nightly --env prod --until 7d --reason "source is migrating"
            """)
    @OptionGroup var options: FindingOptions
    @Option(help: ArgumentHelp("A time such as 2026-12-01T00:00:00Z, or how long from now, e.g. 7d.", valueName: "time"))
    var until: String
    @Option(help: "Why it may stay so.") var reason: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        guard let end = Quantity.seconds(until).map({ remote.now + $0 }) ?? WireCoding.time(until) else {
            throw CommandError(.usage, "usage", "--until: '\(until)' is no time", hint: "e.g. 7d, or 2026-12-01T00:00:00Z")
        }
        let view = try await remote.client.suppressDrift(options.finding, of: options.env, .init(until: end, reason: reason))
        try remote.show(view) { _, _ in "'\(options.finding)' is left alone until \(Figures.time(end, in: remote.console.zone))."
        }
    }
}

struct DriftUnsuppress: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "unsuppress", abstract: "Take a suppression back.",
        discussion: """
              flowforge drift unsuppress schedule:daily.nightly --env prod
            """)
    @OptionGroup var options: FindingOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.unsuppressDrift(options.finding, of: options.env)
        try remote.show(view) { _, _ in "'\(options.finding)' is told again." }
    }
}
