import GRDB
import Testing

@testable import FlowForgeStore

/// Each rule finds what breaks it, and a sound history breaks none.
@Suite(.timeLimit(.minutes(1))) struct HistoryTests {
    /// Two tasks in a chain: the first succeeded and published, the second runs.
    private static let sound = """
        INSERT INTO agent (id, name, pool, agent_version, slots, joined_at) VALUES ('agt', 'a', 'p', '1', 2, 1);
        INSERT INTO run (id, environment, pool, release, bundle, bundle_version, bundle_digest, flow, state, parameters,
            variables, created_by, created_at) VALUES ('run', 'dev', 'p', 'rel', 'b', '1', 'd', 'f', 'running', '{}', '{}', 'x', 1);
        INSERT INTO task (id, run, name, position, environment, pool, layer, engine, inputs, output, retries, retry_delay,
            state, attempts, finished_at) VALUES
            (1, 'run', 'one', 0, 'dev', 'p', 'bronze', 'duckdb', '[]', 'bronze.one', 0, 0, 'succeeded', 1, 5),
            (2, 'run', 'two', 1, 'dev', 'p', 'bronze', 'duckdb', '[]', 'bronze.two', 0, 0, 'running', 2, NULL),
            (3, 'run', 'three', 2, 'dev', 'p', 'bronze', 'duckdb', '[]', 'bronze.three', 0, 0, 'waiting', 0, NULL);
        INSERT INTO task_dependency (task, upstream) VALUES (2, 1), (3, 2);
        INSERT INTO fencing (pool, last) VALUES ('p', 3);
        -- Lowered while more was taken.
        INSERT INTO concurrency_limit (key, slots, set_at, set_by) VALUES ('resource:late', 0, 9, 'x');
        INSERT INTO attempt (id, run, task, number, environment, output, agent, lease, fencing, lease_until, state, leased_at,
            finished_at, log_lines, snapshot, snapshot_version, snapshot_location) VALUES
            ('a1', 'run', 1, 1, 'dev', 'bronze.one', 'agt', 'l1', 1, NULL, 'succeeded', 2, 5, 3, 's1', 1, 'x'),
            ('a2', 'run', 2, 1, 'dev', 'bronze.two', 'agt', 'l2', 2, NULL, 'lost', 6, 7, 0, NULL, NULL, NULL),
            ('a3', 'run', 2, 2, 'dev', 'bronze.two', 'agt', 'l3', 3, 99, 'running', 8, NULL, 0, NULL, NULL, NULL);
        INSERT INTO limit_holder VALUES ('resource:late', 'a3', 1);
        INSERT INTO spool (id, agent, last, dropped, reported_at) VALUES ('sound', 'agt', 9, 0, 9);
        INSERT INTO audit_entry (at, actor, action, subject, outcome, detail) VALUES
            (5, 'x', 'attempt.finish', 'a1', 'allowed', '{}'), (7, 'x', 'attempt.lose', 'a2', 'allowed', '{}'),
            (9, 'x', 'attempt.report', 'a2', 'refused', '{}'), (8, 'x', 'attempt.claim', 'a3', 'allowed', '{}'),
            (9, 'x', 'limit.set', 'resource:late', 'allowed', '{}');
        INSERT INTO log_chunk (run, task, attempt, count, lines) VALUES ('run', 1, 1, 2, '[1, 2]'), ('run', 1, 1, 1, '[3]');
        INSERT INTO asset_schema (id, environment, asset, serial, columns) VALUES (1, 'dev', 'bronze.one', 1, '[]');
        INSERT INTO snapshot (id, environment, asset, version, location, rows, bytes, published_at, run, task, attempt, fencing,
            schema, schema_changed, statistics) VALUES
            ('s1', 'dev', 'bronze.one', 1, 'x', 1, 1, 5, 'run', 'one', 'a1', 1, 1, 0, '[]');
        INSERT INTO publication (environment, asset, pool, snapshot, version, location, accepted_at, offer_at) VALUES
            ('dev', 'bronze.one', 'p', 's1', 1, 'x', 5, 6);
        """

    /// Runs the statements, then says which rules are broken.
    private func broken(by sql: String) async throws -> [String] {
        let temporary = try TemporaryStore()
        try await temporary.store.write { session in
            try session.db.execute(sql: Self.sound)
            try session.db.execute(sql: sql)
        }
        return try await temporary.store.read { try $0.history.violations() }.map(\.rule)
    }

    @Test func `a sound history breaks no rule`() async throws {
        #expect(try await broken(by: "SELECT 1") == [])
    }

    @Test(arguments: [
        (
            "an attempt ends once",
            "INSERT INTO audit_entry (at, actor, action, subject, outcome, detail) VALUES (5, 'x', 'attempt.lose', 'a1', 'allowed', '{}')"
        ),
        (
            "an attempt that ended says how",
            """
            UPDATE attempt SET state = 'lost', lease_until = NULL, finished_at = 9 WHERE id = 'a3';
            UPDATE task SET state = 'ready', ready_at = 1 WHERE id = 2
            """
        ),
        (
            "no task is lost: a run that ended has no open task",
            "UPDATE run SET state = 'succeeded', finished_at = 9"
        ),
        (
            "no task is lost: a run that is under way has an open task",
            """
            INSERT INTO run (id, environment, pool, release, bundle, bundle_version, bundle_digest, flow, state, parameters,
            variables, created_by, created_at) VALUES ('r2', 'dev', 'p', 'rel', 'b', '1', 'd', 'f', 'running', '{}', '{}', 'x', 1)
            """
        ),
        (
            "no task is lost: a waiting task waits for an open one", "UPDATE task_dependency SET upstream = 1 WHERE task = 3"
        ),
        ("a task is worked on under one lease", "UPDATE task SET state = 'ready', ready_at = 1 WHERE id = 2"),
        (
            "a task that succeeded has one attempt that did, and others none",
            "UPDATE task SET state = 'failed' WHERE id = 1"
        ),
        ("attempts of a task are numbered without gaps", "UPDATE attempt SET number = 3 WHERE id = 'a3'"),
        ("an agent holds no more than its slots", "UPDATE agent SET slots = 1; \(more(1))"),
        (
            "a limit is taken from by those that live, and by all of them",
            """
            INSERT INTO concurrency_limit VALUES ('resource:w', 1, 9, 'x');
            INSERT INTO limit_holder VALUES ('resource:w', 'a2', 1)
            """
        ),
        (
            "a limit is taken from by those that live, and by all of them",
            "INSERT INTO concurrency_limit VALUES ('pool:p', 1, 9, 'x')"
        ),
        (
            "nothing begins beyond a limit",
            """
            INSERT INTO concurrency_limit VALUES ('pool:p', 1, 7, 'x'); INSERT INTO limit_holder VALUES ('pool:p', 'a3', 2);
            INSERT INTO audit_entry (at, actor, action, subject, outcome, detail) VALUES
                (7, 'x', 'limit.set', 'pool:p', 'allowed', '{}'), (8, 'x', 'attempt.claim', 'a3', 'allowed', '{}')
            """
        ),
        (
            "what an agent told was numbered",
            """
            UPDATE spool SET last = 1;
            INSERT INTO audit_entry (at, actor, action, subject, outcome, detail) VALUES
                (3, 'agent:agt', 'attempt.start', 'a1', 'allowed', '{}'), (4, 'agent:agt', 'attempt.start', 'a3', 'allowed', '{}')
            """
        ),
        ("fencing grows strictly within a pool", "UPDATE attempt SET fencing = 2 WHERE id = 'a3'"),
        ("fencing grows strictly within a pool", "UPDATE fencing SET last = 2"),
        ("log lines are counted without gaps", "UPDATE attempt SET log_lines = 2 WHERE id = 'a1'"),
        ("log lines are counted without gaps", "UPDATE log_chunk SET lines = '[1]' WHERE number = 1"),
        (
            "a publication is the newest of versions without gaps",
            "UPDATE snapshot SET version = 2; UPDATE publication SET version = 2"
        ),
        ("a publication is the newest of versions without gaps", "UPDATE publication SET version = 2"),
        ("a snapshot is of an attempt that succeeded, under its fencing number", "UPDATE snapshot SET fencing = 7"),
        ("states are counted as they are", "UPDATE state_count SET count = count + 1 WHERE noun = 'run'"),
    ])
    func `what breaks a rule is found`(rule: String, sql: String) async throws {
        #expect(Set(try await broken(by: sql)) == [rule])
    }

    /// So many further tasks that the agent has started.
    private static func more(_ count: Int) -> String {
        (1...count).map { index in
            """
            INSERT INTO task (id, run, name, position, environment, pool, layer, engine, inputs, retries, retry_delay, state,
                attempts) VALUES (\(10 + index), 'run', 'm\(index)', 9, 'dev', 'p', 'bronze', 'c', '[]', 0, 0, 'running', 1);
            UPDATE fencing SET last = \(10 + index);
            INSERT INTO attempt (id, run, task, number, environment, agent, lease, fencing, lease_until, state, leased_at)
                VALUES ('m\(index)', 'run', \(10 + index), 1, 'dev', 'agt', 'm\(index)', \(10 + index), 99, 'running', \(10 + index));
            """
        }.joined()
    }
}
