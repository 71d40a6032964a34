import FlowForgeProtocol
import GRDB
import Testing

@testable import FlowForgeStore

@Suite struct SchemaTests {
    @Test func `every step is applied to a new database, in order`() async throws {
        let temporary = try TemporaryStore()
        let applied: [String] = try await temporary.store.read {
            try $0.rows("SELECT identifier FROM grdb_migrations ORDER BY rowid").map { $0["identifier"] }
        }
        #expect(applied == Schema.steps.map(\.name))
        #expect(applied == applied.sorted())
    }

    @Test func `runs of backfills know theirs, also those of the version before`() throws {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let database = try DatabaseQueue(configuration: configuration)
        try Schema.migrator.migrate(database, upTo: Schema.parkedLines.name)
        try database.write { db in
            for run in ["run_1", "run_2"] {
                try db.execute(
                    sql: """
                        INSERT INTO run (id, environment, pool, release, bundle, bundle_version, bundle_digest, flow, state,
                            parameters, variables, created_by, created_at)
                        VALUES (?, 'dev', 'p', 'rel_1', 'b', '1', 'sha256:0', 'f', 'queued', '{}', '{}', 'x', 1)
                        """, arguments: [run])
            }
            try db.execute(
                sql: """
                    INSERT INTO backfill (id, environment, bundle, flow, schedule, parameters, from_at, until_at, max_runs,
                        max_slots, again, state, position, total, created_by, created_at)
                    VALUES ('bfl_1', 'dev', 'b', 'f', '{}', '{}', 0, 2, 1, 1, 0, 'running', 0, 1, 'x', 1);
                    INSERT INTO trigger (id, environment, bundle, flow, name, kind, specification, pool, is_live, created_at,
                        changed_at) VALUES ('trg_1', 'dev', 'b', 'f', 't', 'schedule', '{}', 'p', 1, 1, 1)
                    """)
            try db.execute(sql: "INSERT INTO backfill_tick (backfill, scheduled_for, run) VALUES ('bfl_1', 1, 'run_2')")
            try db.execute(
                sql: "INSERT INTO tick (trigger, key, outcome, due_at, recorded_at) VALUES ('trg_1', 'k', 'waiting', 1, 1)")
        }
        try Schema.migrator.migrate(database)
        try database.read { db in
            let backfills = try String?.fetchAll(db, sql: "SELECT backfill FROM run ORDER BY id")
            let held = try Int.fetchAll(db, sql: "SELECT is_held FROM tick")
            #expect(backfills == [nil, "bfl_1"] && held == [0])
        }
    }

    @Test func `every table is strict`() async throws {
        let temporary = try TemporaryStore()
        let loose: [String] = try await temporary.store.read {
            try $0.rows(
                """
                SELECT name FROM pragma_table_list
                WHERE schema = 'main' AND type = 'table' AND strict = 0
                    AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'grdb_%'
                """
            ).map { $0["name"] }
        }
        #expect(loose == [])
    }

    @Test(arguments: [
        ("run", RunState.allCases.map(\.rawValue)), ("task", TaskState.allCases.map(\.rawValue)),
        ("attempt", AttemptState.allCases.map(\.rawValue)), ("asset", Layer.allCases.map(\.rawValue)),
        ("inquiry", InquiryState.allCases.map(\.rawValue)),
    ])
    func `the database knows the words of each enum`(table: String, words: [String]) async throws {
        let temporary = try TemporaryStore()
        let sql: String = try await temporary.store.read {
            try #require(try $0.row("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [table]))["sql"]
        }
        for word in words { #expect(sql.contains("'\(word)'") == (word != "unknown"), "\(table): \(word)") }
    }

    static let hotQueries: [(name: String, sql: String, index: String)] = [
        ("claim", TaskQueries.nextClaimableSQL, "task_queue"),
        ("claim: is its output being written", AttemptQueries.isWrittenSQL, "attempt_live_by_output"),
        ("due retries", TaskQueries.unparkDueSQL, "task_delayed"),
        ("the next line before an obstacle", TaskQueries.nextLineSQL, "task_parked"),
        ("the first of a line", TaskQueries.firstParkedSQL, "task_parked"),
        ("those that go on", TaskQueries.unparkSQL, "task_parked"),
        ("those that fit", TaskQueries.unparkFittingSQL, "task_parked"),
        ("overdue attempts", AttemptQueries.overdueSQL, "attempt_by_deadline"),
        ("overdue runs", RunQueries.overdueSQL, "run_by_deadline"),
        ("what a run has published", AttemptQueries.publishedSQL, "attempt_published"),
        ("lapsed leases", AttemptQueries.lapsedSQL, "attempt_by_lease_until"),
        ("publications to offer", PublicationQueries.dueSQL, "publication_unconfirmed"),
        ("inquiries of an agent", InquiryQueries.heldSQL, "inquiry_taken"),
        ("open inquiries", InquiryQueries.openSQL, "inquiry_open"),
        ("overdue inquiries", InquiryQueries.overdueSQL, "inquiry_by_deadline"),
        ("runs", RunQueries.listSQL(byEnvironment: false, byState: false), "sqlite_autoindex_run_1"),
        ("runs of an environment", RunQueries.listSQL(byEnvironment: true, byState: false), "run_by_environment"),
        ("runs in a state", RunQueries.listSQL(byEnvironment: false, byState: true), "run_by_state"),
        (
            "runs of an environment in a state", RunQueries.listSQL(byEnvironment: true, byState: true),
            "run_by_environment_and_state"
        ),
        ("log of a run", LogQueries.ofRunSQL, "log_chunk_by_run"),
        ("log of a task", LogQueries.ofTaskSQL, "log_chunk_by_task"),
        ("runs to remove", RetentionQueries.removableSQL, "run_finished"),
        ("lineage of a column", LineageQueries.toColumnSQL, "lineage_edge_by_output"),
        ("lineage of a table", LineageQueries.toTableSQL, "lineage_edge_by_output"),
        ("lineage downstream", LineageQueries.fromSQL, "lineage_edge_by_input"),
        ("due schedules", TriggerQueries.dueSQL, "trigger_due"),
        ("next schedule", TriggerQueries.nextDueSQL, "trigger_due"),
        ("triggers of an event", TriggerQueries.bySourceSQL, "trigger_by_source"),
        ("file triggers of a pool", FileWatchQueries.openSQL, "trigger_by_pool"),
        ("a run that has not ended", TriggerQueries.openRunSQL, "run_open_by_flow"),
        ("a tick that succeeded", BackfillQueries.succeededSQL, "run_by_schedule"),
        ("a tick that is under way", BackfillQueries.openAtSQL, "run_by_schedule"),
        ("open runs of a backfill", BackfillQueries.openSQL, "run_open_by_backfill"),
        ("what follows from a backfill", TickQueries.waitingForBackfillSQL, "tick_waiting_by_backfill"),
        ("ticks of a schedule's range", TickQueries.recordedSQL, "sqlite_autoindex_tick_1"),
        ("ticks that wait for a run", TickQueries.releaseSQL, "tick_held"),
        ("ticks that joined a run", TickQueries.joinedSQL, "tick_joined"),
        ("due ticks", TickQueries.dueSQL, "tick_due"),
        ("next tick", TickQueries.nextDueSQL, "tick_due"),
        ("ticks of a trigger", TickQueries.listSQL, "tick_by_trigger"),
    ]

    @Test(arguments: hotQueries)
    func `a hot query uses its index and sorts nothing big`(query: (name: String, sql: String, index: String)) async throws {
        let temporary = try TemporaryStore()
        let plan = try await temporary.store.read { session in
            let statement = try session.db.makeStatement(sql: "EXPLAIN QUERY PLAN \(query.sql)")
            statement.setUncheckedArguments([])
            return try Row.fetchAll(statement).map { $0["detail"] as String }
        }
        #expect(
            plan.contains { $0.contains("USING INDEX \(query.index) ") || $0.contains("USING COVERING INDEX \(query.index) ") },
            "\(query.name): \(plan)")
        #expect(
            !plan.contains { $0.hasPrefix("SCAN ") && !$0.contains("json_each") && !$0.contains("(subquery-") },
            "\(query.name): \(plan)")
        let mayGroup =
            ["due retries", "those that fit", "ticks that joined a run"].contains(query.name) || query.name.hasPrefix("lineage")
        #expect(mayGroup || !plan.contains { $0.contains("TEMP B-TREE") }, "\(query.name): \(plan)")
    }
}
