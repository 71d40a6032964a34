extension Schema {
    /// Runs for a range of the past, made a few at a time.
    static let backfills = Step(
        name: "0010-backfills",
        sql: """
            CREATE TABLE backfill (
                id TEXT PRIMARY KEY NOT NULL,
                environment TEXT NOT NULL,
                bundle TEXT NOT NULL,
                flow TEXT NOT NULL,
                -- Whose ticks they are; absent for ticks of an interval.
                trigger_name TEXT,
                -- A copy: what is deployed meanwhile does not change it.
                schedule TEXT NOT NULL CHECK (json_valid(schedule)),
                parameters TEXT NOT NULL CHECK (json_valid(parameters)),
                from_at INTEGER NOT NULL,
                until_at INTEGER NOT NULL,
                max_runs INTEGER NOT NULL CHECK (max_runs > 0),
                max_slots INTEGER NOT NULL CHECK (max_slots > 0),
                again INTEGER NOT NULL CHECK (again IN (0, 1)),
                state TEXT NOT NULL CHECK (state IN ('running', 'completed', 'cancelled')),
                -- Every tick up to here has its row in `backfill_tick`.
                position INTEGER NOT NULL,
                total INTEGER NOT NULL CHECK (total >= 0),
                idempotency_key TEXT,
                created_by TEXT NOT NULL,
                created_at INTEGER NOT NULL,
                finished_at INTEGER,
                CHECK (until_at > from_at),
                CHECK ((finished_at IS NOT NULL) = (state <> 'running'))
            ) STRICT;
            CREATE UNIQUE INDEX backfill_by_idempotency_key ON backfill (environment, idempotency_key)
                WHERE idempotency_key IS NOT NULL;
            CREATE INDEX backfill_running ON backfill (id) WHERE state = 'running';

            CREATE TABLE backfill_tick (
                backfill TEXT NOT NULL REFERENCES backfill (id),
                scheduled_for INTEGER NOT NULL,
                -- No reference, as old runs are pruned.
                run TEXT,
                -- Why it has none.
                reason TEXT,
                PRIMARY KEY (backfill, scheduled_for),
                CHECK ((run IS NULL) = (reason IS NOT NULL))
            ) STRICT, WITHOUT ROWID;

            CREATE INDEX run_by_schedule ON run (environment, bundle, flow, scheduled_for) WHERE scheduled_for IS NOT NULL;
            """)
}
