import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The audit trail: who did what, and what was refused.",
        subcommands: [AuditList.self])
}

struct AuditList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List entries of the audit trail, oldest first.",
        discussion: """
              flowforge audit list --action agent.join
              flowforge audit list --after 1200 --all --json
            """)
    @Option(help: "Only entries about this, e.g. an id.") var subject: String?
    @Option(help: "Only this action, e.g. run.start.") var action: String?
    @Option(help: ArgumentHelp("Only entries after the one with this number.", valueName: "number")) var after: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.audit(after: $0 ?? after, subject: subject, action: action, limit: $1)
        }
        try remote.show(found, empty: "no such entries") { items, style in
            Table(
                [
                    .init("NUMBER", right: true), .init("TIME"), .init("WHO", flexible: true), .init("ACTION"),
                    .init("SUBJECT", flexible: true), .init("OUTCOME"), .init("DETAIL", flexible: true),
                ],
                rows: items.map { entry in
                    [
                        "\(entry.number)", Figures.time(entry.at, in: remote.console.zone), entry.actor, entry.action,
                        entry.subject,
                        entry.outcome == "allowed" ? entry.outcome : style.paint(entry.outcome, .red),
                        entry.detail.sorted { $0.key < $1.key }.map { "\($0.key)=\(RunTree.text($0.value))" }
                            .joined(separator: " "),
                    ]
                })
        }
    }
}
