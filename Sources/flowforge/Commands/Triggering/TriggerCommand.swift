import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct TriggerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trigger", abstract: "Triggers: what starts flows by itself, and what became of each tick.",
        discussion: """
            Triggers are declared in a bundle's flowforge.yaml and become live when it is deployed. One is named by its \
            id, the unique beginning of it, FLOW/NAME, or NAME; --env says where, if several environments have one.
            """,
        subcommands: [
            TriggerList.self, TriggerShow.self, TriggerPause.self, TriggerResume.self, TriggerPreview.self,
            TriggerTicks.self, TriggerFire.self, TriggerSecret.self,
        ])
}

/// The trigger that a command is about.
struct TriggerOptions: ParsableArguments {
    @Argument(help: "The trigger.") var trigger: String
    @Option(help: ArgumentHelp("The environment that has it.", valueName: "name")) var env: String?

    func find(_ remote: Remote) async throws -> OperatorAPI.TriggerView {
        if let id = ID<Trigger>(trigger) { return try await remote.client.trigger(id) }
        let all = try await remote.collect(limit: nil, all: true) {
            try await remote.client.triggers(environment: env, all: true, after: $0, limit: $1)
        }.items
        let matches = all.filter {
            $0.name == trigger || "\($0.flow)/\($0.name)" == trigger
                || "\($0.bundle)/\($0.flow)/\($0.name)" == trigger
                || (trigger.hasPrefix("trg_") && $0.id.description.hasPrefix(trigger))
        }
        // A bundle may have taken the name from another: the one that is declared now is meant.
        let live = matches.filter(\.live)
        let found = live.isEmpty ? matches : live
        guard let only = found.first else {
            throw CommandError(
                .notFound, .notFound, "there is no trigger '\(trigger.prefix(80))'", hint: "`flowforge trigger list` shows them")
        }
        guard found.count == 1 else {
            throw CommandError(
                .usage, "ambiguous", "'\(trigger)' may mean \(found.count) triggers",
                hint: "give --env, FLOW/NAME, BUNDLE/FLOW/NAME or the id; `flowforge trigger list` shows them")
        }
        return only
    }
}

struct TriggerList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List triggers with their next and last ticks.",
        discussion: """
              flowforge trigger list --env dev
            """)
    @Option(help: ArgumentHelp("Only this environment.", valueName: "name")) var env: String?
    @Flag(help: "Those too that no current release declares any more.") var gone = false
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.triggers(environment: env, all: gone, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no triggers; a flow's `triggers` in flowforge.yaml declare them") { items, style in
            Table(
                [
                    .init("TRIGGER", flexible: true), .init("ENV", flexible: true), .init("KIND"),
                    .init("WHEN", flexible: true), .init("STATE"), .init("NEXT"), .init("LAST"),
                ],
                rows: items.map { item in
                    [
                        "\(item.bundle)/\(item.flow)/\(item.name)", item.environment, item.kind.rawValue, item.summary,
                        TriggerPage.state(item, style), item.nextAt.map { Figures.relative($0, to: remote.now) } ?? "",
                        item.lastTick.map {
                            "\($0.outcome.rawValue) \(Figures.relative($0.recordedAt, to: remote.now))"
                        } ?? "",
                    ]
                })
        }
    }
}

struct TriggerShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a trigger.",
        discussion: """
              flowforge trigger show daily/nightly --env dev
            """)
    @OptionGroup var which: TriggerOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let trigger = try await which.find(remote)
        try remote.show(trigger) { style, _ in TriggerPage.text(trigger, style, remote) }
    }
}

struct TriggerPause: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Pause a trigger: what happens meanwhile is recorded as skipped.",
        discussion: """
              flowforge trigger pause daily/nightly --env dev
            """)
    @OptionGroup var which: TriggerOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let trigger = try await remote.client.pauseTrigger(try await which.find(remote).id)
        try remote.show(trigger) { _, _ in "Trigger '\(trigger.flow)/\(trigger.name)' is paused." }
    }
}

struct TriggerResume: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Resume a paused trigger, from the next tick on.",
        discussion: """
            Ticks of the pause are not caught up; `flowforge backfill start` runs them.

              flowforge trigger resume daily/nightly --env dev
            """)
    @OptionGroup var which: TriggerOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let trigger = try await remote.client.resumeTrigger(try await which.find(remote).id)
        try remote.show(trigger) { _, _ in
            let next = trigger.nextAt.map { "; next \(Figures.relative($0, to: remote.now))" } ?? ""
            return "Trigger '\(trigger.flow)/\(trigger.name)' goes on\(next)."
        }
    }
}

struct TriggerPreview: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview", abstract: "Show the next ticks of a schedule.",
        discussion: """
              flowforge trigger preview daily/nightly --env dev --count 20
            """)
    @OptionGroup var which: TriggerOptions
    @Option(help: ArgumentHelp("How many, at most 1000.", valueName: "n")) var count = 10
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard (1...1000).contains(count) else { throw ValidationError("--count must be from 1 to 1000") }
    }

    func run(_ remote: Remote) async throws {
        let preview = try await remote.client.preview(try await which.find(remote).id, count: count)
        try remote.show(preview) { style, width in TriggerPage.preview(preview.ticks, style, width, now: remote.now) }
    }
}

struct TriggerTicks: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "ticks", abstract: "List what became of a trigger's ticks, newest first.",
        discussion: """
            Each tick is there once: fired, caught up (run late), skipped with the reason, or waiting for its delay. \
            Neighbouring ticks that were skipped for the same reason are one line with their number.

              flowforge trigger ticks daily/nightly --env dev
            """)
    @OptionGroup var which: TriggerOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let trigger = try await which.find(remote)
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.ticks(of: trigger.id, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no ticks yet") { items, style in
            Table(
                [
                    .init("TICK", flexible: true), .init("OUTCOME"), .init("COUNT", right: true), .init("RUN"),
                    .init("RECORDED"), .init("REASON", flexible: true),
                ],
                rows: items.map { item in
                    [
                        TriggerPage.name(item, in: remote.console.zone), TriggerPage.outcome(item, style), "\(item.count)",
                        item.run?.description ?? "", Figures.relative(item.recordedAt, to: remote.now),
                        item.reason ?? item.dueAt.map { "due \(Figures.relative($0, to: remote.now))" } ?? "",
                    ]
                })
        }
    }
}

struct TriggerFire: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "fire", abstract: "Start a run now, as the trigger would.",
        discussion: """
            A paused trigger fires too. With --key, firing again with the same key gives the tick of then.

              flowforge trigger fire daily/nightly --env dev --key repair-2026-11-23
            """)
    @OptionGroup var which: TriggerOptions
    @Option(help: ArgumentHelp("Fire at most once with this key.", valueName: "key")) var key: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let trigger = try await which.find(remote)
        let (tick, created) = try await remote.client.fireTrigger(trigger.id, key: key)
        try remote.show(tick) { _, _ in
            let run = tick.run?.description ?? "no run"
            return created ? "Run \(run) started." : "This key had fired before: \(run)."
        }
    }
}

struct TriggerSecret: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Make a new secret for a webhook; it is shown this once.",
        discussion: """
            Senders sign with it as https://www.standardwebhooks.com says. The secret before is refused from now on, or \
            after --keep-old.

              flowforge trigger secret daily/hook --env dev --keep-old 1h
            """)
    @OptionGroup var which: TriggerOptions
    @Option(help: ArgumentHelp("How long the secret before still holds, at most 30d.", valueName: "duration"))
    var keepOld: TimeToLive?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let trigger = try await which.find(remote)
        let made = try await remote.client.makeWebhookSecret(trigger.id, keepOldSeconds: keepOld?.seconds)
        try remote.show(made) { style, _ in
            var fields = Fields()
            fields.add("post to", "\(remote.client.address)\(made.path)")
            fields.add("secret", made.secret.reveal())
            fields.add("old secret", made.oldUntil.map { "holds until \(Figures.time($0, in: remote.console.zone))" })
            return fields.render(style) + "\n\nIt is not stored and cannot be shown again."
        }
    }
}
