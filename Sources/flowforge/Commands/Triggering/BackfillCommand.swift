import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct BackfillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill", abstract: "Backfills: one run for each tick of a range of the past.",
        discussion: "A backfill is named by its id, or the unique beginning of it.",
        subcommands: [BackfillStart.self, BackfillList.self, BackfillShow.self, BackfillCancel.self])
}

/// A moment as `--from` and `--to` take it: RFC 3339 with an offset, or a date, which is its midnight in UTC.
struct Moment: ExpressibleByArgument, Sendable {
    let date: Date

    init?(argument: String) {
        let isDate = argument.wholeMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}/) != nil
        guard let date = WireCoding.time(isDate ? "\(argument)T00:00:00Z" : argument) else { return nil }
        self.date = date
    }
}

struct BackfillStart: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start a backfill.",
        discussion: """
            One run for each tick of the flow's schedule from --from on, up to but without --to; with --every, for each \
            such step. Runs are made a few at a time and know their tick as scheduled_for. Ticks that have succeeded \
            before, or have a run that goes on, are left out unless --again. At most --max-slots of its tasks, and of those \
            of the flows that its runs start, run at once, so that live work goes on.

              flowforge backfill start daily --env prod --from 2026-01-01 --to 2026-02-01
              flowforge backfill start daily --env prod --every 1d --from 2026-01-01 --to 2026-02-01 --max-slots 4
            """)
    @Argument(help: "Name of the flow.") var flow: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: "The bundle, where several of the environment have such a flow.") var bundle: String?
    @Option(help: ArgumentHelp("The first moment: a date (UTC) or a time such as 2026-01-01T06:00:00Z.", valueName: "time"))
    var from: Moment
    @Option(help: ArgumentHelp("The first moment that does not belong to it; not later than now.", valueName: "time")) var to:
        Moment
    @Option(help: ArgumentHelp("The schedule trigger whose ticks are meant, where the flow has several.", valueName: "name"))
    var trigger: String?
    @Option(help: ArgumentHelp("Even steps instead of a trigger's ticks, such as 1h or 1d.", valueName: "duration"))
    var every: TimeToLive?
    @Option(
        name: .customLong("param"),
        help: ArgumentHelp("Value of a parameter, in place of the trigger's; may be given often.", valueName: "name=value"))
    var parameters: [Assignment] = []
    @Option(help: ArgumentHelp("Runs that have not ended, at most (4).", valueName: "n")) var maxRuns: Int?
    @Option(help: ArgumentHelp("Tasks that run at once, at most (1).", valueName: "n")) var maxSlots: Int?
    @Flag(help: "Also ticks that have succeeded before, or have a run that goes on.") var again = false
    @Option(help: ArgumentHelp("Start at most one backfill with this key.", valueName: "key")) var idempotencyKey: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let request = OperatorAPI.StartBackfill(
            environment: env, bundle: bundle, flow: flow, trigger: trigger, everySeconds: every?.seconds, from: from.date,
            until: to.date, parameters: parameters.isEmpty ? nil : try parameters.values(option: "--param"),
            maxRuns: maxRuns, maxSlots: maxSlots, again: again, idempotencyKey: idempotencyKey)
        let (backfill, created) = try await remote.client.startBackfill(request)
        try remote.show(backfill) { _, _ in
            created
                ? "Backfill \(backfill.id) of \(Figures.count(Int64(backfill.total), "tick")) started. "
                    + "`flowforge backfill show \(backfill.id)` shows how far it is."
                : "Backfill \(backfill.id) was started before with this key; it is \(backfill.state.rawValue)."
        }
    }
}

struct BackfillList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List backfills, newest first.",
        discussion: """
              flowforge backfill list --env prod
            """)
    @Option(help: ArgumentHelp("Only this environment.", valueName: "name")) var env: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.backfills(environment: env, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no backfills") { items, _ in
            Table(
                [
                    .init("BACKFILL"), .init("FLOW", flexible: true), .init("ENV", flexible: true), .init("STATE"),
                    .init("DONE", right: true), .init("FAILED", right: true), .init("STARTED"),
                ],
                rows: items.map { item in
                    [
                        item.id.description, "\(item.bundle)/\(item.flow)", item.environment, item.state.rawValue,
                        "\(item.succeeded + item.failed + item.cancelled + item.skipped) of \(item.total)", "\(item.failed)",
                        Figures.relative(item.createdAt, to: remote.now),
                    ]
                })
        }
    }
}

struct BackfillShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show how far a backfill is, with its newest ticks.",
        discussion: """
            With --json the backfill alone; --ticks prints its ticks instead, newest first.

              flowforge backfill show bfl_06dp…
              flowforge backfill show bfl_06dp… --ticks --all --json
            """)
    @Argument(help: "The backfill.") var backfill: String
    @Flag(help: "The ticks that have had their turn.") var ticks = false
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let id = try await remote.backfill(named: backfill)
        if ticks {
            let found = try await remote.collect(limit: page.limit, all: page.all) {
                try await remote.client.ticks(of: id, after: $0, limit: $1)
            }
            return try remote.show(found, empty: "no ticks yet") { items, style in Self.table(items, style, remote) }
        }
        let view = try await remote.client.backfill(id)
        let newest = remote.console.json ? [] : try await remote.client.ticks(of: id, limit: 10).items
        try remote.show(view) { style, width in
            var fields = Fields()
            fields.add("backfill", view.id.description)
            fields.add("flow", "\(view.bundle)/\(view.flow) in \(view.environment)")
            fields.add("ticks", "\(view.schedule), \(WireCoding.text(view.from)) to \(WireCoding.text(view.until))")
            fields.add("state", view.state.rawValue)
            let done = view.succeeded + view.failed + view.cancelled + view.skipped
            fields.add(
                "progress",
                "\(done) of \(view.total): \(view.succeeded) succeeded, \(view.failed) failed, \(view.cancelled) cancelled, "
                    + "\(view.skipped) skipped; \(view.open) open")
            fields.add("at once", "\(Figures.count(Int64(view.maxRuns), "run")), \(Figures.count(Int64(view.maxSlots), "task"))")
            fields.add("started", "\(Figures.relative(view.createdAt, to: remote.now)) by \(view.createdBy)")
            fields.add("ended", view.finishedAt.map { Figures.relative($0, to: remote.now) })
            guard !newest.isEmpty else { return fields.render(style) }
            return fields.render(style) + "\n\n" + Self.table(newest, style, remote).render(style, width: width)
        }
    }

    private static func table(_ items: [OperatorAPI.BackfillTickView], _ style: Style, _ remote: Remote) -> Table {
        Table(
            [.init("TICK"), .init("STATE"), .init("RUN"), .init("REASON", flexible: true)],
            rows: items.map { item in
                [
                    Figures.time(item.scheduledFor, in: remote.console.zone),
                    item.state.map { style.word(StateSign($0, style), $0.rawValue) } ?? (item.run == nil ? "skipped" : "gone"),
                    item.run?.description ?? "", item.reason ?? "",
                ]
            })
    }
}

struct BackfillCancel: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancel a backfill and its runs that have not ended.",
        discussion: """
              flowforge backfill cancel bfl_06dp…
            """)
    @Argument(help: "The backfill.") var backfill: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.cancelBackfill(try await remote.backfill(named: backfill))
        try remote.show(view) { _, _ in
            view.state == .cancelled
                ? "Backfill \(view.id) is cancelled." : "Backfill \(view.id) had ended already: it \(view.state.rawValue)."
        }
    }
}
