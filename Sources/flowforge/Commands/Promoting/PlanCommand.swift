import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "What releasing a bundle to an environment would change.",
        discussion: """
            Tables and columns that are added, removed or changed, whether that breaks those who read them and whom, \
            configuration, what has to be made again and what that takes, drift, and what the gates say. Nothing is \
            changed. Without --bundle it is the bundle that is released now, with the environment's values of now.

              flowforge plan --env prod --bundle shop@1.2.0
              flowforge plan --env prod --bundle . --out plan.json
              flowforge plan --env prod --bundle shop@1.2.0 --markdown
              flowforge plan approve 5b21c0de9a01 --reason "looked at the numbers"

            Exit codes of `flowforge plan`: 0 no change; 1 error; 2 changes; 3 drift; 4 a gate denies it.
            """,
        subcommands: [
            PlanMake.self, PlanShow.self, PlanList.self, PlanApprove.self, PlanReject.self, GateOverride.self, GateAnswer.self,
        ],
        defaultSubcommand: PlanMake.self)
}

struct PlanMake: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "make", abstract: "Make a plan; `flowforge plan` alone does it.",
        discussion: """
            Planning the same again gives the same plan, with the approvals that it has, until it expires. A folder is \
            validated, packed and pushed first; with a key it is signed on the way.

              flowforge plan make --env prod --bundle shop@1.2.0
            """)
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: ArgumentHelp("A folder with flowforge.yaml, NAME@VERSION, a digest, or a name alone.", valueName: "bundle"))
    var bundle: String?
    @Option(help: ArgumentHelp("The environment that it comes from.", valueName: "env")) var from: String?
    @Option(help: "physical (tables are made anew) or virtual (pointers are moved).") var mode: String?
    @Option(
        name: [.short, .long], help: ArgumentHelp("Write the canonical plan to a file, for `flowforge apply`.", valueName: "file")
    )
    var out: String?
    @Flag(help: "Print Markdown, for a pull request.") var markdown = false
    @OptionGroup var options: SigningOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let request = OperatorAPI.MakePlan(bundle: try await reference(remote), mode: mode, source: from)
        let (view, _) = try await remote.client.makePlan(request, environment: env)
        if let out { try Self.write(view, to: out) }
        try remote.show(view, markdown: markdown)
        try view.end()
    }

    private func reference(_ remote: Remote) async throws -> String? {
        guard let bundle, PackedFolder.isFolder(bundle) else { return bundle }
        let packed = PackedFolder(folder: bundle, console: remote.console)
        return try await packed.push(signedBy: options, to: remote.client).bundle.digest
    }

    /// The canonical bytes, whose digest the control plane knows.
    static func write(_ view: OperatorAPI.PlanView, to path: String) throws {
        do { try WireCoding.encode(view.plan).write(to: URL(filePath: path), options: .atomic) } catch {
            throw CommandError(.failed, .internalError, "'\(path)' cannot be written: \(error)", hint: "give another --out")
        }
    }
}

extension OperatorAPI.PlanView {
    /// Ends the command with the code that says what the plan is.
    func end() throws {
        if standing == GateStanding.denied.rawValue, hasChanges { throw Ended(status: .planDenied) }
        if hasChanges { throw Ended(status: .planChanges) }
        if hasDrift { throw Ended(status: .planDrift) }
    }

    func decoded() throws -> (plan: Plan, verdicts: [GateVerdict]) {
        do {
            return (try plan.decoded(as: Plan.self), try verdicts.map { try $0.decoded(as: GateVerdict.self) })
        } catch let error as DecodingError {
            throw CommandError(
                .failed, .internalError, "the plan is of a newer form than this program knows: \(error)",
                hint: "upgrade flowforge")
        }
    }
}

extension Remote {
    func show(_ view: OperatorAPI.PlanView, markdown: Bool = false) throws {
        if console.json { return try console.print(json: view) }
        let (plan, verdicts) = try view.decoded()
        let page = PlanPage(
            view: view, plan: plan, verdicts: verdicts, style: console.style, width: console.width, zone: console.zone)
        try console.print(markdown ? PlanMarkdown(view: view, plan: plan, verdicts: verdicts).text : page.text)
    }
}

struct PlanShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a plan and how its gates stand now.",
        discussion: """
              flowforge plan show 5b21c0de9a01
            """)
    @Argument(help: "The plan's digest, at least 12 digits of it.") var plan: String
    @Flag(help: "Print Markdown, for a pull request.") var markdown = false
    @Option(name: [.short, .long], help: ArgumentHelp("Write the canonical plan to a file.", valueName: "file")) var out: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.plan(plan)
        if let out { try PlanMake.write(view, to: out) }
        try remote.show(view, markdown: markdown)
    }
}

struct PlanList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List plans, newest first.",
        discussion: """
              flowforge plan list --env prod
            """)
    @Option(help: ArgumentHelp("Of this environment only.", valueName: "name")) var env: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.plans(environment: env, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no plans; make one with `flowforge plan --env ENV --bundle BUNDLE`") { items, _ in
            Table(
                [
                    .init("PLAN"), .init("ENV"), .init("BUNDLE"), .init("CHANGES", right: true), .init("GATES"), .init("MADE"),
                    .init("BY", flexible: true),
                ],
                rows: items.map { view in
                    let plan = try? view.decoded().plan
                    return [
                        String(view.digest.dropFirst(7).prefix(12)), plan?.environment ?? "",
                        plan.map { "\($0.bundle.name)@\($0.bundle.version)" } ?? "",
                        plan.map { "\($0.content.changes.count + $0.content.configuration.count)" } ?? "", view.standing,
                        Figures.relative(view.createdAt, to: remote.now), view.createdBy,
                    ]
                })
        }
    }
}

struct PlanApprove: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Say yes to exactly this plan.",
        discussion: """
            Any change makes another plan, which has no approval. Whoever asked for the change does not count where \
            duties are separated.

              flowforge plan approve 5b21c0de9a01 --reason "looked at the numbers"
            """)
    @Argument(help: "The plan's digest, at least 12 digits of it.") var plan: String
    @Option(help: "Why, for the record.") var reason: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.approvePlan(plan, .init(approves: true, reason: reason))
        try remote.show(view) { _, _ in "Approved \(view.digest). Its gates are \(view.standing)." }
    }
}

struct PlanReject: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "reject", abstract: "Say no to a plan.",
        discussion: """
              flowforge plan reject 5b21c0de9a01 --reason "finance still reads net_amount"
            """)
    @Argument(help: "The plan's digest, at least 12 digits of it.") var plan: String
    @Option(help: "What has to change.") var reason: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.approvePlan(plan, .init(approves: false, reason: reason))
        try remote.show(view) { _, _ in "Rejected \(view.digest)." }
    }
}

struct GateOverride: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "override", abstract: "Let a soft gate of a plan pass, in your name.",
        discussion: """
              flowforge plan override 5b21c0de9a01 readers --reason "hotfix for incident 4711"
            """)
    @Argument(help: "The plan's digest, at least 12 digits of it.") var plan: String
    @Argument(help: "The gate.") var gate: String
    @Option(help: "Why, for the record.") var reason: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.overrideGate(gate, of: plan, .init(message: reason))
        try remote.show(view) { _, _ in "Gate '\(gate)' is overridden. The gates are \(view.standing)." }
    }
}

struct GateAnswer: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "answer", abstract: "Answer an external gate of a plan, for the system that it asks.",
        discussion: """
              flowforge plan answer 5b21c0de9a01 change-record --pass --message "CHG0041 is approved"
            """)
    @Argument(help: "The plan's digest, at least 12 digits of it.") var plan: String
    @Argument(help: "The gate.") var gate: String
    @Flag(inversion: .prefixedNo, help: "Whether it passes.") var pass: Bool
    @Option(help: "What is to be recorded.") var message: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.answerGate(gate, of: plan, .init(passed: pass, message: message))
        try remote.show(view) { _, _ in "Gate '\(gate)' is answered. The gates are \(view.standing)." }
    }
}
