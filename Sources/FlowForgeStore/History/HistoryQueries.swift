internal import GRDB

extension Session {
    public var history: HistoryQueries { HistoryQueries(session: self) }
}

/// What the stored history says that can never be, whatever crashed, was cut off or came twice.
///
/// Each rule of ``rules`` is a query of what breaks it. A sound history gives no rows at any moment
/// between two transactions, so it may be asked beside a daemon that serves.
public struct HistoryQueries {
    let session: Session

    /// A rule and one thing that breaks it.
    public struct Violation: Sendable, CustomStringConvertible {
        public var rule: String
        public var what: String
        public var description: String { "\(rule): \(what)" }
    }

    /// At most `limit` for each rule, in the order of the rules.
    public func violations(limit: Int = 20) throws -> [Violation] {
        try Self.rules.flatMap { rule in
            try session.rows("SELECT what FROM (\(rule.broken)) LIMIT \(limit)").map {
                Violation(rule: rule.name, what: $0["what"])
            }
        }
    }

    struct Rule {
        let name: String
        /// Selects `what`, a text that names the thing.
        let broken: String
    }

    private static let open = "('waiting', 'ready', 'leased', 'running')"

    /// What was written, and what was pointed at instead.
    private static let versions = """
        (SELECT environment, asset, version, NULL AS above FROM snapshot
        UNION ALL SELECT environment, asset, version, above FROM pointer_move)
        """

    static let rules = [
        Rule(
            name: "an attempt ends once",
            broken: """
                SELECT 'attempt ' || subject || ' ended ' || count(*) || ' times' AS what FROM audit_entry
                WHERE action IN ('attempt.finish', 'attempt.lose', 'attempt.end') AND outcome = 'allowed' GROUP BY subject HAVING count(*) > 1
                """),
        Rule(
            name: "an attempt that ended says how",
            broken: """
                SELECT 'attempt ' || id || ' is ' || state || ' and the audit trail does not say why' AS what FROM attempt
                WHERE lease_until IS NULL AND NOT EXISTS (
                    SELECT 1 FROM audit_entry e WHERE e.subject = attempt.id AND e.outcome = 'allowed'
                        AND e.action IN ('attempt.finish', 'attempt.lose', 'attempt.end'))
                """),
        Rule(
            name: "no task is lost: a run that ended has no open task",
            broken: """
                SELECT 'task ' || t.name || ' of run ' || r.id || ' is ' || t.state || ', the run is ' || r.state AS what
                FROM run r JOIN task t ON t.run = r.id
                WHERE r.finished_at IS NOT NULL AND t.state IN \(open)
                """),
        Rule(
            name: "no task is lost: a run that is under way has an open task",
            broken: """
                SELECT 'run ' || id || ' is ' || state || ' and all its tasks ended' AS what FROM run
                WHERE finished_at IS NULL
                    AND NOT EXISTS (SELECT 1 FROM task t WHERE t.run = run.id AND t.state IN \(open))
                """),
        Rule(
            name: "no task is lost: a waiting task waits for an open one",
            broken: """
                SELECT 'task ' || t.name || ' of run ' || t.run || ' waits for nothing' AS what FROM task t
                WHERE t.state = 'waiting' AND NOT EXISTS (
                    SELECT 1 FROM task_dependency d JOIN task u ON u.id = d.upstream
                    WHERE d.task = t.id AND u.state IN \(open))
                """),
        Rule(
            name: "a task is worked on under one lease",
            broken: """
                SELECT 'task ' || t.name || ' of run ' || t.run || ' is ' || t.state || ' with '
                    || (SELECT count(*) FROM attempt a WHERE a.task = t.id AND a.lease_until IS NOT NULL)
                    || ' live attempts' AS what
                FROM task t
                WHERE (SELECT count(*) FROM attempt a WHERE a.task = t.id AND a.lease_until IS NOT NULL)
                    <> (t.state IN ('leased', 'running'))
                """),
        Rule(
            name: "a task that succeeded has one attempt that did, and others none",
            broken: """
                SELECT 'task ' || t.name || ' of run ' || t.run || ' is ' || t.state || ' with '
                    || (SELECT count(*) FROM attempt a WHERE a.task = t.id AND a.state = 'succeeded')
                    || ' successful attempts' AS what
                FROM task t
                WHERE EXISTS (SELECT 1 FROM attempt a WHERE a.task = t.id)
                    AND (SELECT count(*) FROM attempt a WHERE a.task = t.id AND a.state = 'succeeded')
                    <> (t.state = 'succeeded')
                """),
        Rule(
            name: "attempts of a task are numbered without gaps",
            broken: """
                SELECT 'task ' || task || ' has ' || count(*) || ' attempts numbered ' || min(number) || ' to ' || max(number)
                    AS what
                FROM attempt GROUP BY task HAVING count(*) <> max(number) OR min(number) <> 1
                """),
        Rule(
            name: "an agent holds no more than its slots",
            broken: """
                SELECT 'agent ' || g.id || ' has ' || g.slots || ' slots and ' || count(*) || ' live attempts' AS what
                FROM agent g JOIN attempt a ON a.agent = g.id AND a.lease_until IS NOT NULL
                WHERE g.slots > 0 GROUP BY g.id HAVING count(*) > g.slots
                """),
        Rule(
            name: "a limit is taken from by those that live, and by all of them",
            broken: """
                SELECT 'attempt ' || h.attempt || ' has ended and holds ' || h.units || ' of ' || h.key AS what
                FROM limit_holder h JOIN attempt a ON a.id = h.attempt WHERE a.lease_until IS NULL
                UNION ALL
                SELECT 'attempt ' || a.id || ' holds nothing of ' || l.key
                FROM attempt a JOIN task t ON t.id = a.task
                JOIN concurrency_limit l ON l.key = 'pool:' || t.pool OR json_extract(t.limits, '$."' || l.key || '"') > 0
                WHERE a.lease_until IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM limit_holder h WHERE h.key = l.key AND h.attempt = a.id)
                """),
        Rule(
            name: "nothing begins beyond a limit",
            broken: """
                SELECT l.key || ' has ' || l.slots || ' slots and ' || sum(h.units) || ' are taken' AS what
                FROM concurrency_limit l JOIN limit_holder h ON h.key = l.key
                JOIN audit_entry c ON c.subject = h.attempt AND c.action = 'attempt.claim'
                -- Those that lived already when it was set are let be.
                GROUP BY l.key HAVING sum(h.units) > l.slots AND max(c.number) > (
                    SELECT max(number) FROM audit_entry WHERE subject = l.key AND action = 'limit.set')
                """),
        Rule(
            name: "what an agent told was numbered",
            broken: """
                SELECT e.actor || ' told of ' || count(*) || ' starts and ends in ' || s.numbers || ' events' AS what
                FROM (SELECT agent, sum(last) AS numbers FROM spool GROUP BY agent) s
                JOIN audit_entry e ON e.actor = 'agent:' || s.agent
                    AND e.action IN ('attempt.start', 'attempt.finish') AND e.outcome = 'allowed'
                GROUP BY s.agent HAVING count(*) > s.numbers
                """),
        Rule(
            name: "fencing grows strictly within a pool",
            broken: """
                SELECT 'fencing number ' || fencing || ' of pool ' || pool || ' at attempt ' || id || ' follows ' || before AS what
                FROM (
                    SELECT a.id, a.fencing, t.pool,
                        lag(a.fencing) OVER (PARTITION BY t.pool ORDER BY a.rowid) AS before
                    FROM attempt a JOIN task t ON t.id = a.task)
                WHERE fencing <= before
                UNION ALL
                SELECT 'pool ' || f.pool || ' gave ' || f.last || ' and an attempt has ' || max(a.fencing)
                FROM fencing f JOIN task t ON t.pool = f.pool JOIN attempt a ON a.task = t.id
                GROUP BY f.pool HAVING max(a.fencing) > f.last
                """),
        Rule(
            name: "log lines are counted without gaps",
            broken: """
                SELECT 'attempt ' || a.id || ' counts ' || a.log_lines || ' log lines and keeps '
                    || coalesce(sum(c.count), 0) AS what
                FROM attempt a LEFT JOIN log_chunk c ON c.task = a.task AND c.attempt = a.number
                GROUP BY a.id HAVING coalesce(sum(c.count), 0) > a.log_lines
                UNION ALL
                SELECT 'log chunk ' || number || ' says ' || count || ' lines and holds ' || json_array_length(lines)
                FROM log_chunk WHERE count <> json_array_length(lines)
                """),
        Rule(
            name: "a publication is the newest of versions without gaps",
            broken: """
                SELECT environment || ' ' || asset || ' goes from version ' || before || ' to ' || version AS what
                FROM (SELECT environment, asset, version, above,
                    lag(version, 1, 0) OVER (PARTITION BY environment, asset ORDER BY version) AS before FROM \(versions))
                WHERE version <> before + 1
                    -- A move had to surpass what others had written into the lake.
                    AND (above IS NULL OR version <> above + 1)
                    -- Retention removes old ones, and a restoration goes on above its floor.
                    AND NOT EXISTS (SELECT 1 FROM removed_count)
                    AND NOT EXISTS (
                        SELECT 1 FROM restoration r WHERE before <= r.version_floor AND version > r.version_floor)
                UNION ALL
                SELECT p.environment || ' ' || p.asset || ' is published as ' || p.version || ', the newest snapshot is '
                    || coalesce(max(s.version), 0)
                FROM publication p LEFT JOIN \(versions) s ON s.environment = p.environment AND s.asset = p.asset
                GROUP BY p.environment, p.asset HAVING coalesce(max(s.version), 0) <> p.version
                """),
        Rule(
            name: "a snapshot is of an attempt that succeeded, under its fencing number",
            broken: """
                SELECT 'snapshot ' || s.id || ' of attempt ' || s.attempt || ' (' || a.state || ')' AS what
                FROM snapshot s JOIN attempt a ON a.id = s.attempt
                WHERE a.state <> 'succeeded' OR a.fencing <> s.fencing OR a.snapshot IS NOT s.id
                """),
        Rule(
            name: "states are counted as they are",
            broken: """
                SELECT 'runs: ' || state || ' is counted ' || count AS what FROM state_count c
                WHERE noun = 'run' AND count <> (SELECT count(*) FROM run WHERE state = c.state)
                UNION ALL
                SELECT 'tasks: ' || state || ' is counted ' || count FROM state_count c
                WHERE noun = 'task' AND count <> (SELECT count(*) FROM task WHERE state = c.state)
                """),
    ]
}
