import ArgumentParser
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

struct ScheduleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule", abstract: "Schedules: what an expression means.", subcommands: [SchedulePreview.self])
}

struct SchedulePreview: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview", abstract: "Show the next ticks of a cron expression or an interval; needs no control plane.",
        discussion: """
            Times of day that the clock leaves out, or shows twice, follow --dst: skip, once or both.

              flowforge schedule preview "0 6 * * MON-FRI" --timezone Europe/London
              flowforge schedule preview "30 2 * * *" --timezone America/New_York --from 2027-03-13 --dst skip
              flowforge schedule preview --every 90m
            """)
    @Argument(help: "The cron expression: minute hour day-of-month month day-of-week.") var cron: String?
    @Option(help: ArgumentHelp("Even steps instead of an expression, such as 15m.", valueName: "duration")) var every: TimeToLive?
    @Option(help: ArgumentHelp("An IANA time zone (UTC).", valueName: "zone")) var timezone: String?
    @Option(help: "Times that the clock does not show exactly once: skip, once or both.") var dst: String?
    @Option(help: ArgumentHelp("Begin there instead of now: a date (UTC) or a time with an offset.", valueName: "time"))
    var from: Moment?
    @Option(help: ArgumentHelp("How many, at most 1000.", valueName: "n")) var count = 10
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard (1...1000).contains(count) else { throw ValidationError("--count must be from 1 to 1000") }
        guard (cron == nil) != (every == nil) else { throw ValidationError("give a cron expression or --every, one of them") }
    }

    func run() async throws {
        let console = Console(global)
        SystemZones.adopt()
        let schedule: Schedule
        do throws(ScheduleFault) {
            let cadence: Schedule.Cadence =
                if let cron { .cron(try CronExpression(cron)) } else { .interval(try Interval(seconds: every?.seconds ?? 0)) }
            let zone: ScheduleZone = if let timezone { try ScheduleZone(timezone) } else { .utc }
            guard let policy = DSTPolicy(rawValue: dst ?? DSTPolicy.once.rawValue) else {
                throw ScheduleFault("--dst", found: dst ?? "", "is no policy", hint: "skip, once or both")
            }
            schedule = try Schedule(cadence, zone: zone, dst: policy)
        } catch {
            throw CommandError(
                .usage, "usage", "\(error.part) '\(error.found)' \(error.problem)", hint: error.hint ?? "see docs/triggers.md")
        }
        let now = Date()
        let ticks = schedule.preview(after: from?.date.addingTimeInterval(-1) ?? now, count: count, id: "").map { decision in
            var skipped: String?
            if case .skip(let reason) = decision.verdict { skipped = reason.rawValue }
            return OperatorAPI.PreviewedTick(
                scheduledFor: decision.tick.scheduled, local: schedule.zone.text(of: decision.tick.scheduled),
                firesAt: decision.tick.due, skipped: skipped)
        }
        if console.json { return try console.print(json: OperatorAPI.TriggerPreview(ticks: ticks)) }
        try console.print(TriggerPage.preview(ticks, console.style, console.width, now: now))
    }
}
