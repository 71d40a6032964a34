import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import GRDB
import Synchronization

@testable import FlowForgeAgentCore
@testable import FlowForgeOrchestration
@testable import FlowForgeStore

/// What must hold after every step, whatever went wrong before it.
extension World {
    /// Each row is a violation in words.
    private static let invariants = """
        SELECT 'two live attempts at task ' || task AS what FROM attempt WHERE lease_until IS NOT NULL
            GROUP BY task HAVING count(*) > 1
        UNION ALL
        SELECT 'two live writers of ' || output FROM attempt WHERE lease_until IS NOT NULL AND output IS NOT NULL
            GROUP BY environment, output HAVING count(*) > 1
        UNION ALL
        SELECT 'task ' || name || ' is ' || state || ', which does not fit its live attempts' FROM task
            WHERE (state IN ('leased', 'running')) <>
                EXISTS (SELECT 1 FROM attempt a WHERE a.task = task.id AND a.lease_until IS NOT NULL)
        UNION ALL
        SELECT 'run ' || id || ' is ' || state || ', which does not fit its tasks' FROM run
            WHERE (finished_at IS NOT NULL) =
                EXISTS (SELECT 1 FROM task WHERE task.run = run.id AND task.finished_at IS NULL)
        UNION ALL
        SELECT 'task ' || name || ' is ' || state || ' with another number of successes' FROM task
            WHERE (SELECT count(*) FROM attempt a WHERE a.task = task.id AND a.state = 'succeeded') <> (state = 'succeeded')
        UNION ALL
        SELECT 'fencing number ' || fencing || ' follows ' || before FROM
            (SELECT fencing, lag(fencing) OVER (ORDER BY rowid) AS before FROM attempt) WHERE fencing <= before
        UNION ALL
        SELECT asset || ' has version ' || version || ', which is not the number of its accepted snapshots' FROM publication p
            WHERE version <> (SELECT count(*) FROM attempt a WHERE a.environment = p.environment AND a.output = p.asset
                AND a.snapshot IS NOT NULL)
        UNION ALL
        SELECT 'task ' || name || ' waits for nothing' FROM task
            WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM task_dependency d JOIN task u ON u.id = d.upstream
                WHERE d.task = task.id AND u.state <> 'succeeded')
        UNION ALL
        SELECT 'task ' || name || ' was begun before what it needs' FROM task
            WHERE state NOT IN ('waiting', 'skipped', 'cancelled') AND EXISTS (SELECT 1 FROM task_dependency d
                JOIN task u ON u.id = d.upstream WHERE d.task = task.id AND u.state <> 'succeeded')
        UNION ALL
        SELECT 'attempt ' || subject || ' ended twice' FROM audit_entry
            WHERE action IN ('attempt.finish', 'attempt.lose', 'attempt.end') GROUP BY subject HAVING count(*) > 1
        UNION ALL
        SELECT 'attempt ' || attempt || ' has ended and holds ' || key FROM limit_holder
            WHERE attempt IN (SELECT id FROM attempt WHERE lease_until IS NULL)
        """

    func checkInvariants() throws {
        let found = try plane.readNow { try $0.row(Self.invariants).map { row -> String in row["what"] } }
        if let found { fail(found) }
    }

    /// The agent may now forget these events: they must have had their effect, or none that they could have.
    func acknowledged(_ response: AgentAPI.ReportResponse, of request: AgentAPI.ReportRequest, by agent: AgentNode) throws {
        agent.disk.heard(response.acknowledged, of: request.spool)
        let problem = try plane.readNow { session -> String? in
            guard let spool = try session.spools.find(request.spool), spool.last >= response.acknowledged else {
                return "events up to \(response.acknowledged) were acknowledged and are not stored"
            }
            for event in request.events where event.number <= response.acknowledged {
                guard let id = event.attempt else { continue }
                guard let attempt = try session.attempts.find(id) else { return "\(id) is reported on and unknown" }
                // Taken back, or ended at its deadline, before the report came.
                if attempt.lifecycle.state == .lost || attempt.lifecycle.state == .timedOut { continue }
                switch event.body {
                case .started:
                    if attempt.lifecycle.state == .leased { return "the start of \(id) was acknowledged and not stored" }
                case .log(let chunk):
                    if attempt.logLines < chunk.offset + Int64(chunk.lines.count) {
                        return "log lines of \(id) were acknowledged and not stored"
                    }
                case .finished:
                    if !attempt.lifecycle.state.isFinal { return "the end of \(id) was acknowledged and not stored" }
                default: break
                }
            }
            return nil
        }
        if let problem { fail("\(agent.name): \(problem)") }
    }

    /// Whether all has come to rest. It also looks for tasks that nobody comes for.
    func isQuiet() throws -> Bool {
        if !peopleAreDone { return false }
        let open = try plane.readNow { session in
            try session.row(
                """
                SELECT EXISTS (SELECT 1 FROM run WHERE finished_at IS NULL) OR EXISTS (SELECT 1 FROM publication
                    WHERE confirmed_at IS NULL) OR EXISTS (SELECT 1 FROM attempt WHERE lease_until IS NOT NULL) AS open
                """
            ).map { row -> Bool in row["open"] } ?? true
        }
        if open { return false }
        return agents.allSatisfy { agent in
            guard let running = agent.running else { return false }
            let isSent = running.spool.disk.withLock { $0.next - 1 == max($0.acknowledged, $0.segments[0].first - 1) }
            return isSent && running.loop.board.isEmpty
        }
    }

    /// Tasks that an agent with a free slot could have.
    func claimable() throws -> Set<Int64> {
        try plane.readNow { session in
            Set(
                try session.rows(
                    """
                    SELECT id FROM task WHERE state = 'ready' AND ready_at <= ? AND NOT EXISTS (SELECT 1 FROM attempt
                        WHERE attempt.environment = task.environment AND attempt.output = task.output AND lease_until IS NOT NULL)
                    """, [session.now.milliseconds]
                ).map { row in row["id"] })
        }
    }

    /// What is not done, in words.
    func open() throws -> String {
        let tasks = try plane.readNow { session in
            try session.rows(
                """
                SELECT run.state || ' run: task ' || task.name || ' ' || task.state || ' ' || coalesce(task.ready_at, '') AS what
                FROM task JOIN run ON run.id = task.run WHERE task.finished_at IS NULL
                UNION ALL SELECT 'publication of ' || asset || ' unconfirmed' FROM publication WHERE confirmed_at IS NULL
                """
            ).map { row -> String in row["what"] }
        }
        let boards = agents.map { agent -> String in
            guard let running = agent.running else { return "\(agent.name) is down" }
            let unsent = running.spool.disk.withLock { $0.next - 1 - max($0.acknowledged, $0.segments[0].first - 1) }
            return "\(agent.name) works on \(running.loop.board.count), \(unsent) events unsent"
        }
        return (tasks + boards).joined(separator: "; ")
    }

    /// After the last step: what only shows in the whole.
    func checkEnd() throws {
        try checkInvariants()
        if let broken = try plane.readNow({ try $0.history.violations(limit: 1).first }) { fail("\(broken)") }
        try checkLogs()
        try checkPointers()
        if let settledAt {
            let lost = try plane.readNow { session in
                try session.row("SELECT id FROM attempt WHERE state = 'lost' AND leased_at > ?", [settledAt.milliseconds])
                    .map { row -> String in row["id"] }
            }
            if let lost { fail("\(lost) was lost, although nothing went wrong any more") }
        }
        if let problem = unstarted { fail(problem) }
        let runs = try plane.readNow { try $0.row("SELECT count(*) AS runs FROM run").map { row -> Int in row["runs"] } }
        if runs != wanted { fail("\(wanted) keys started \(runs ?? 0) runs") }
    }

    private func checkLogs() throws {
        let attempts = try plane.readNow { session in
            try session.rows("SELECT id, task, number, log_lines, state FROM attempt ORDER BY rowid").map { row in
                (
                    id: row["id"] as String, task: row["task"] as Int64, number: row["number"] as Int64,
                    lines: row["log_lines"] as Int64
                )
            }
        }
        for attempt in attempts {
            let texts = try plane.readNow { session in
                try session.rows(
                    "SELECT lines FROM log_chunk WHERE task = ? AND attempt = ? ORDER BY number", [attempt.task, attempt.number]
                ).flatMap { row in try row.json([LogLine].self, "lines") }.map(\.text)
            }
            var next: Int64 = 0
            for text in texts {
                if text.hasSuffix("lost on the agent"), let gap = Int64(text.prefix { $0 != " " }) {
                    next += gap
                    if !dropsLogs, faults["agent.full_disk"] == nil { fail("\(attempt.id): \(text)") }
                } else if text == "\(attempt.id) \(next)" {
                    next += 1
                } else {
                    fail("\(attempt.id): log line \(next) is '\(text)'")
                }
            }
            if next != attempt.lines { fail("\(attempt.id): \(attempt.lines) log lines counted, \(next) there") }
        }
    }

    /// What readers of the lake see is what the control plane accepted last.
    private func checkPointers() throws {
        let current = try plane.readNow { session in
            try session.rows("SELECT asset, version, snapshot FROM publication").map { row in
                (asset: row["asset"] as String, version: row["version"] as Int, snapshot: row["snapshot"] as String)
            }
        }
        for publication in current {
            guard let asset = AssetName(publication.asset) else { continue }
            let file = LakeFolder(root: lake).asset(asset, environment: Place.environment).appending(path: "current.json")
            let pointer = try WireCoding.decode(LakePublisher.Pointer.self, from: Data(contentsOf: file))
            if pointer.version != publication.version || pointer.snapshot.description != publication.snapshot {
                fail("\(asset) points at version \(pointer.version), accepted is \(publication.version)")
            }
        }
    }
}

/// Every outcome that the control plane accepted, as an observer of its transactions sees it.
final class History: CompletionObserver, @unchecked Sendable {
    weak var world: World?
    private var accepted: Set<ID<Attempt>> = []
    private var newest: [AssetName: (version: Int, fencing: Int64)] = [:]

    func completed(_ completion: AcceptedCompletion, in session: Session) throws {
        session.whenCommitted { [self] in
            guard let world else { return }
            world.trace.note("plane", "accepts \(completion.task) of \(completion.run)")
            if !accepted.insert(completion.attempt).inserted { world.fail("\(completion.attempt) was accepted twice") }
            guard let published = completion.published else { return }
            let before = newest[published.output.asset] ?? (0, 0)
            if published.snapshot.version != before.version + 1 {
                world.fail("\(published.output.asset) went from version \(before.version) to \(published.snapshot.version)")
            }
            if completion.fencing <= before.fencing {
                world.fail("\(published.output.asset) was published under fencing \(completion.fencing) after \(before.fencing)")
            }
            newest[published.output.asset] = (published.snapshot.version, completion.fencing)
        }
    }
}
