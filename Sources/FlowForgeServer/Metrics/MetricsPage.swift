import FlowForgeFleet
import FlowForgeOrchestration
import FlowForgeProtocol
import FlowForgeStore
import Foundation

/// The page at `/metrics`; docs/operations.md explains each metric.
struct MetricsPage: Sendable {
    /// The most pools that get lines of their own; the others are summed up as `_other`, which is no pool's name.
    static let mostPools = 100

    var store: Store
    var wakeUps: WakeUps
    var requests: RequestFigures
    var triggers: TriggerFigures
    /// See `FleetSettings`.
    var presence: Duration
    /// Rows that retention removed, by what they were.
    var removed: @Sendable () -> [String: Int]

    private struct Figures: Sendable {
        var now: Date
        var runs: [RunState: Int]
        var tasks: [TaskState: Int]
        var attempts: [AttemptState: Int]
        var removedAttempts: [AttemptState: Int]
        var agents: [AgentState: Int]
        var ready: [FigureQueries.ReadyTasks]
        var ticks: [TickCount]
    }

    func text() async throws -> String {
        let presence = presence
        let figures = try await store.read { session in
            let all = session.figures
            return Figures(
                now: session.now, runs: try all.runs(), tasks: try all.tasks(), attempts: try all.attempts(),
                removedAttempts: try all.removedAttempts(),
                agents: try all.agents(presence: presence), ready: try all.readyTasks(),
                ticks: try session.ticks.counts())
        }
        var page = PrometheusText()
        page.add(
            .gauge, "flowforge_build_info", "The version of this build and the agent protocol that it speaks; always 1.",
            [.init(1, ["version": FlowForgeVersion.current, "protocol": "\(ProtocolVersion.current)"])])
        page.add(.gauge, "flowforge_runs", "Runs by state.", Self.samples(figures.runs))
        page.add(.gauge, "flowforge_tasks", "Tasks of all runs by state.", Self.samples(figures.tasks))
        page.add(
            .counter, "flowforge_attempts_finished_total", "Attempts that ended, by outcome (lost: the lease lapsed).",
            Self.samples(figures.attempts.merging(figures.removedAttempts, uniquingKeysWith: +)) { $0.isFinal })
        page.add(
            .counter, "flowforge_retention_removed_rows_total", "Rows that the retention settings removed, by what they were.",
            ["runs", "logs", "lineage_events"].map { .init(Double(removed()[$0] ?? 0), ["what": $0]) })
        page.add(.gauge, "flowforge_agents", "Agents by state.", Self.samples(figures.agents))
        addReady(figures, to: &page)
        page.add(
            .gauge, "flowforge_requests_parked", "Long polls of agents and clients that are held now.", Double(wakeUps.waiting))
        addTriggers(figures.ticks, to: &page)
        addStore(to: &page)
        requests.write(to: &page)
        ProcessFigures.write(to: &page)
        return page.text
    }

    private func addReady(_ figures: Figures, to page: inout PrometheusText) {
        let shown = figures.ready.prefix(Self.mostPools)
        let rest = figures.ready.dropFirst(Self.mostPools).reduce(0) { $0 + $1.count }
        page.add(
            .gauge, "flowforge_tasks_ready", "Tasks that wait for an agent, by pool.",
            shown.map { .init(Double($0.count), ["pool": $0.pool]) } + (rest > 0 ? [.init(Double(rest), ["pool": "_other"])] : [])
        )
        let oldest = figures.ready.map(\.oldest).min().map { max(0, figures.now.timeIntervalSince($0)) } ?? 0
        page.add(
            .gauge, "flowforge_tasks_ready_oldest_age_seconds",
            "How long the task that waits longest could have been claimed; 0 when none waits.", oldest)
    }

    private func addTriggers(_ counts: [TickCount], to page: inout PrometheusText) {
        let known = Dictionary(counts.map { ("\($0.kind.rawValue) \($0.outcome.rawValue)", $0.count) }) { $0 + $1 }
        let outcomes: [TickOutcome] = [.fired, .caughtUp, .skipped]
        page.add(
            .counter, "flowforge_trigger_ticks_total", "Ticks of triggers, by kind and what became of them.",
            TriggerKind.allCases.filter { $0 != .unknown }.flatMap { kind in
                outcomes.map { outcome in
                    PrometheusText.Sample(
                        Double(known["\(kind.rawValue) \(outcome.rawValue)"] ?? 0),
                        ["kind": kind.rawValue, "outcome": outcome.rawValue])
                }
            })
        let lag = triggers.lag
        var sum = 0
        let bounds = (TriggerFigures.buckets + [.infinity]).map(PrometheusText.number)
        let buckets = zip(bounds, lag.byBucket).map { bound, count in
            sum += count
            return PrometheusText.Sample(Double(sum), suffix: "_bucket", ["le": bound])
        }
        page.add(
            .histogram, "flowforge_trigger_lag_seconds",
            "How long after its time, jitter included, a tick of a schedule was fired.",
            buckets + [.init(lag.seconds, suffix: "_sum"), .init(Double(sum), suffix: "_count")])
    }

    private func addStore(to page: inout PrometheusText) {
        let counts = store.writeCounts()
        page.add(
            .counter, "flowforge_store_commits_total", "Transactions committed, each with one sync to disk.",
            Double(counts.commits))
        page.add(
            .counter, "flowforge_store_writes_total", "Writes by outcome; several share a commit.",
            [
                .init(Double(counts.operations), ["outcome": "committed"]),
                .init(Double(counts.failures), ["outcome": "failed"]), .init(Double(counts.refusals), ["outcome": "refused"]),
            ])
        page.add(.gauge, "flowforge_store_writes_waiting", "Writes that wait for the writer.", Double(counts.waiting))
    }

    /// One sample for every state that is known, so that a rate over a state that was never seen is 0.
    private static func samples<State: WireEnum>(
        _ counts: [State: Int], where include: (State) -> Bool = { _ in true }
    ) -> [PrometheusText.Sample] {
        let label = State.self == AttemptState.self ? "outcome" : "state"
        return State.allCases.filter { $0 != .unknown && include($0) }.map { state in
            .init(Double(counts[state] ?? 0), label == "outcome" ? ["outcome": state.rawValue] : ["state": state.rawValue])
        }
    }
}
