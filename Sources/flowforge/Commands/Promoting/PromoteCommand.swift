import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// How changes are asked for and followed.
struct ChangeOptions: ParsableArguments {
    @Flag(help: "Ask for it and do not wait for its end.") var noWait = false
    @Option(help: ArgumentHelp("How long runs that go on are waited for, e.g. 30m.", valueName: "time")) var drain: String?

    func validate() throws {
        if let drain, Quantity.seconds(drain) == nil {
            throw ValidationError("--drain must be a duration such as 45s, 10m or 1h30m")
        }
    }

    var drainSeconds: Double? { drain.flatMap(Quantity.seconds) }

    func carryOut(_ request: OperatorAPI.RequestPromotion, _ remote: Remote) async throws {
        var request = request
        request.drainSeconds = drainSeconds
        let (view, created) = try await remote.client.requestPromotion(request)
        if !created { remote.console.note("\(view.id) does this already") }
        if noWait {
            return try remote.show(view) { style, _ in PromotionPage(view: view, style: style, zone: remote.console.zone).text }
        }
        try await PromotionWatcher(remote: remote, id: view.id).watch()
    }
}

struct ApplyCommand: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Do exactly what a plan says, or refuse because the world has moved.",
        discussion: """
            It waits for the plan's gates, then for its turn; Ctrl-C ends the waiting, not the change.

              flowforge plan --env prod --bundle shop@1.2.0 --out plan.json
              flowforge apply plan.json
              flowforge apply 5b21c0de9a01 --no-wait
            """)
    @Argument(help: "A file that `flowforge plan --out` wrote, or a digest.") var plan: String
    @Flag(help: "Do not run the flows; the tables are made by their next runs.") var noRun = false
    @OptionGroup var options: ChangeOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await options.carryOut(.init(kind: "apply", plan: try digest(), computes: noRun ? false : nil), remote)
    }

    private func digest() throws -> String {
        guard FileManager.default.fileExists(atPath: plan) else { return plan }
        // All of it counts, what a newer control plane has written into it and this program does not know, too.
        guard let bytes = try? Data(contentsOf: URL(filePath: plan)), bytes.count <= 64 << 20,
            let json = try? WireCoding.decode(JSONValue.self, from: bytes), json.object != nil,
            let canonical = try? WireCoding.encode(json)
        else {
            throw CommandError(
                .usage, .invalidRequest, "'\(plan)' is no plan",
                hint: "`flowforge plan --env ENV --bundle BUNDLE --out FILE` writes one")
        }
        return ContentDigest.of(canonical)
    }
}

struct PromoteCommand: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "Bring what is released to one environment to the next.",
        discussion: """
            Makes a plan, waits for its gates and its turn, then releases: physically, with runs on the environment's \
            agents, or virtually, by pointing its tables at those of the source. What fails is undone.

              flowforge promote --from qa --to prod
              flowforge promote --from qa --to prod --bundle shop --mode virtual --no-wait
            """)
    @Option(help: ArgumentHelp("The environment that it comes from.", valueName: "env")) var from: String
    @Option(help: ArgumentHelp("The environment that it goes to.", valueName: "env")) var to: String
    @Option(help: ArgumentHelp("The bundle's name, where there are several.", valueName: "name")) var bundle: String?
    @Option(help: "physical or virtual; without it as the environment says.") var mode: String?
    @Option(help: "Why, for the record.") var reason: String?
    @Flag(help: "Do not run the flows; the tables are made by their next runs.") var noRun = false
    @OptionGroup var options: ChangeOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await options.carryOut(
            .init(
                kind: "promote", environment: to, source: from, bundle: bundle, mode: mode, reason: reason,
                computes: noRun ? false : nil), remote)
    }
}

struct RollbackCommand: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Return to an earlier release: its bundle, its configuration, its tables.",
        discussion: """
            Tables point where they did when the release ended, which takes no time however large they are; with \
            --mode physical they are made anew. Gates are told and stop nothing.

              flowforge rollback --env prod --reason "wrong totals"
              flowforge rollback --env prod --to rel_… --reason "wrong totals since Monday"
            """)
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: ArgumentHelp("The release to return to; without it the one before.", valueName: "release")) var to: String?
    @Option(help: ArgumentHelp("The bundle's name, where there are several.", valueName: "name")) var bundle: String?
    @Option(help: "virtual (without it) or physical.") var mode: String?
    @Option(help: "Why, for the record.") var reason: String
    @OptionGroup var options: ChangeOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await options.carryOut(
            .init(kind: "rollback", environment: env, bundle: bundle, release: to, mode: mode, reason: reason), remote)
    }
}

struct DemoteCommand: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "demote", abstract: "Take a version out of an environment for good, and return to the one before.",
        discussion: """
            As `flowforge rollback`; besides, this version is refused there from now on.

              flowforge demote --env prod --reason "recalled: wrong VAT"
            """)
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: ArgumentHelp("The bundle's name, where there are several.", valueName: "name")) var bundle: String?
    @Option(help: "Why, for the record.") var reason: String
    @OptionGroup var options: ChangeOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await options.carryOut(.init(kind: "demote", environment: env, bundle: bundle, reason: reason), remote)
    }
}

struct PromotionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promotion", abstract: "Changes of environments: what is under way, and what became of others.",
        subcommands: [PromotionList.self, PromotionShow.self, PromotionWatch.self, PromotionCancel.self])
}

struct PromotionList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List changes of environments, newest first.",
        discussion: """
              flowforge promotion list --env prod
            """)
    @Option(help: ArgumentHelp("Of this environment only.", valueName: "name")) var env: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.promotions(environment: env, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no environment was changed by a plan yet") { items, style in
            Table(
                [
                    .init("PROMOTION"), .init("KIND"), .init("ENV"), .init("BUNDLE"), .init("STATE"), .init("ASKED"), .init("BY"),
                    .init("HOW IT STANDS", flexible: true),
                ],
                rows: items.map {
                    [
                        $0.id.description, $0.kind, $0.environment, "\($0.bundle.name)@\($0.bundle.version)",
                        PromotionPage.state($0.state, style), Figures.relative($0.requestedAt, to: remote.now), $0.requestedBy,
                        Printable.line($0.message),
                    ]
                })
        }
    }
}

struct PromotionShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a change: its steps, its gates, its journal.",
        discussion: """
              flowforge promotion show pro_…
            """)
    @Argument(help: "The promotion's id.") var promotion: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.promotion(identifier(promotion))
        try remote.show(view) { style, _ in PromotionPage(view: view, style: style, zone: remote.console.zone).text }
    }
}

struct PromotionWatch: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follow a change to its end; Ctrl-C ends the watching only.",
        discussion: """
            Exit code 0 when it succeeded, 1 when it was undone or refused, 7 when it was cancelled.

              flowforge promotion watch pro_…
            """)
    @Argument(help: "The promotion's id.") var promotion: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws { try await PromotionWatcher(remote: remote, id: try identifier(promotion)).watch() }
}

struct PromotionCancel: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "End a change that has not begun, or have one undone that has.",
        discussion: """
              flowforge promotion cancel pro_…
            """)
    @Argument(help: "The promotion's id.") var promotion: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.cancelPromotion(identifier(promotion))
        try remote.show(view) { _, _ in view.isFinal ? "\(view.id) is \(view.state)." : "\(view.id) is being undone." }
    }
}
