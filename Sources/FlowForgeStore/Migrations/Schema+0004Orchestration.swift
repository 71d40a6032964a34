extension Schema {
    /// Runs, their tasks, the attempts at them, and what agents report.
    ///
    /// Environments, releases and agents belong to other steps; rows here copy what they need of them
    /// (pool, bundle), because a run keeps what it was started with.
    static let orchestration = Step(
        name: "0004-orchestration",
        sql: """
            CREATE TABLE run (
                id TEXT PRIMARY KEY NOT NULL,
                environment TEXT NOT NULL,
                pool TEXT NOT NULL,
                release TEXT NOT NULL,
                bundle TEXT NOT NULL,
                bundle_version TEXT NOT NULL,
                bundle_digest TEXT NOT NULL,
                flow TEXT NOT NULL,
                state TEXT NOT NULL
                    CHECK (state IN ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
                parameters TEXT NOT NULL,
                variables TEXT NOT NULL,
                idempotency_key TEXT,
                created_by TEXT NOT NULL,
                created_at INTEGER NOT NULL,
                started_at INTEGER,
                finished_at INTEGER,
                -- Grows with every change of the run, its tasks or their attempts.
                version INTEGER NOT NULL DEFAULT 1,
                CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled')))
            ) STRICT;
            CREATE UNIQUE INDEX run_by_idempotency_key ON run (environment, idempotency_key)
                WHERE idempotency_key IS NOT NULL;
            CREATE INDEX run_by_environment ON run (environment, id);
            CREATE INDEX run_by_state ON run (state, id);
            CREATE INDEX run_by_environment_and_state ON run (environment, state, id);

            CREATE TABLE task (
                id INTEGER PRIMARY KEY,
                run TEXT NOT NULL REFERENCES run (id),
                name TEXT NOT NULL,
                -- Topological order within the run, from 0.
                position INTEGER NOT NULL,
                environment TEXT NOT NULL,
                pool TEXT NOT NULL,
                layer TEXT NOT NULL CHECK (layer IN ('bronze', 'silver', 'gold')),
                engine TEXT NOT NULL,
                inputs TEXT NOT NULL,
                output TEXT,
                retries INTEGER NOT NULL CHECK (retries >= 0),
                retry_delay INTEGER NOT NULL CHECK (retry_delay >= 0),
                state TEXT NOT NULL CHECK (state IN
                    ('waiting', 'ready', 'leased', 'running', 'succeeded', 'failed', 'cancelled', 'skipped')),
                -- When it may be claimed; later than now while a retry is delayed.
                ready_at INTEGER,
                attempts INTEGER NOT NULL DEFAULT 0,
                failures INTEGER NOT NULL DEFAULT 0,
                losses INTEGER NOT NULL DEFAULT 0,
                finished_at INTEGER,
                UNIQUE (run, name),
                CHECK ((ready_at IS NOT NULL) = (state = 'ready')),
                CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled', 'skipped')))
            ) STRICT;
            CREATE INDEX task_queue ON task (pool, ready_at, id) WHERE state = 'ready';
            CREATE INDEX task_by_ready_output ON task (environment, output) WHERE state = 'ready';
            CREATE INDEX task_due ON task (ready_at) WHERE state = 'ready';
            CREATE INDEX task_by_run ON task (run, position);

            CREATE TABLE task_dependency (
                task INTEGER NOT NULL REFERENCES task (id),
                upstream INTEGER NOT NULL REFERENCES task (id),
                PRIMARY KEY (task, upstream)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX task_dependency_by_upstream ON task_dependency (upstream, task);

            CREATE TABLE attempt (
                id TEXT PRIMARY KEY NOT NULL,
                run TEXT NOT NULL REFERENCES run (id),
                task INTEGER NOT NULL REFERENCES task (id),
                number INTEGER NOT NULL,
                environment TEXT NOT NULL,
                output TEXT,
                agent TEXT NOT NULL,
                lease TEXT NOT NULL UNIQUE,
                fencing INTEGER NOT NULL,
                -- Present exactly while the lease is current.
                lease_until INTEGER,
                state TEXT NOT NULL CHECK (state IN
                    ('leased', 'running', 'succeeded', 'failed', 'timedOut', 'cancelled', 'lost')),
                leased_at INTEGER NOT NULL,
                started_at INTEGER,
                finished_at INTEGER,
                log_lines INTEGER NOT NULL DEFAULT 0,
                progress TEXT,
                metrics TEXT,
                checks TEXT,
                error TEXT,
                snapshot TEXT,
                snapshot_version INTEGER,
                snapshot_location TEXT,
                -- When the agent was last told to end it.
                cancellation_told_at INTEGER,
                -- When a report under this lease was first dropped as stale.
                stale_report_at INTEGER,
                UNIQUE (task, number),
                CHECK ((lease_until IS NOT NULL) = (state IN ('leased', 'running'))),
                CHECK ((finished_at IS NULL) = (state IN ('leased', 'running')))
            ) STRICT;
            CREATE INDEX attempt_by_run ON attempt (run);
            CREATE UNIQUE INDEX attempt_by_snapshot ON attempt (snapshot) WHERE snapshot IS NOT NULL;
            CREATE INDEX attempt_by_lease_until ON attempt (lease_until) WHERE lease_until IS NOT NULL;
            CREATE UNIQUE INDEX attempt_live_by_task ON attempt (task) WHERE lease_until IS NOT NULL;
            -- One writer of an asset at a time: what it writes builds on the snapshot that it was given.
            CREATE UNIQUE INDEX attempt_live_by_output ON attempt (environment, output)
                WHERE lease_until IS NOT NULL AND output IS NOT NULL;

            -- The last fencing number of each pool.
            CREATE TABLE fencing (
                pool TEXT PRIMARY KEY NOT NULL,
                last INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;

            -- Log lines as they came, some at a time: `lines` is a JSON list.
            CREATE TABLE log_chunk (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                run TEXT NOT NULL REFERENCES run (id),
                task INTEGER NOT NULL REFERENCES task (id),
                attempt INTEGER NOT NULL,
                count INTEGER NOT NULL CHECK (count > 0),
                lines TEXT NOT NULL
            ) STRICT;
            CREATE INDEX log_chunk_by_run ON log_chunk (run, number);
            CREATE INDEX log_chunk_by_task ON log_chunk (task, number);

            CREATE TABLE lineage_event (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                run TEXT NOT NULL REFERENCES run (id),
                attempt TEXT NOT NULL REFERENCES attempt (id),
                type TEXT NOT NULL,
                body TEXT NOT NULL
            ) STRICT;
            CREATE INDEX lineage_event_by_run ON lineage_event (run, number);
            CREATE INDEX lineage_event_by_attempt ON lineage_event (attempt, type, number);

            CREATE TABLE spool (
                id TEXT PRIMARY KEY NOT NULL,
                agent TEXT NOT NULL,
                -- The acknowledged number.
                last INTEGER NOT NULL,
                -- Events that the agent says it dropped.
                dropped INTEGER NOT NULL DEFAULT 0,
                reported_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;

            -- The newest accepted snapshot of each asset and whether its pointer file has moved there.
            CREATE TABLE publication (
                environment TEXT NOT NULL,
                asset TEXT NOT NULL,
                pool TEXT NOT NULL,
                snapshot TEXT NOT NULL,
                version INTEGER NOT NULL,
                location TEXT NOT NULL,
                accepted_at INTEGER NOT NULL,
                -- Polls offer it from then on; absent once confirmed.
                offer_at INTEGER,
                offers INTEGER NOT NULL DEFAULT 0,
                confirmed_at INTEGER,
                PRIMARY KEY (environment, asset),
                CHECK ((offer_at IS NULL) = (confirmed_at IS NOT NULL))
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX publication_unconfirmed ON publication (pool, offer_at) WHERE offer_at IS NOT NULL;
            """)
}
