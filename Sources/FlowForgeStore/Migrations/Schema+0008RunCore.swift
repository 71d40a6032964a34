extension Schema {
    /// Why a run exists, what it may take, and when it is over; whom a ready task waits for.
    ///
    /// A ready task is claimable unless it is parked: on a delay (`delay`), on the writer of its output
    /// (`output:…`), on a paused flow (`flow:…`) or on a limit (`pool:…`, `resource:…`, `backfill:…`).
    /// What it waits for takes it off again, so that claiming never walks over those that cannot run.
    static let runCore = Step(
        name: "0008-run-core",
        sql: """
            ALTER TABLE run ADD COLUMN priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100);
            ALTER TABLE run ADD COLUMN cause TEXT NOT NULL DEFAULT 'manual' CHECK (cause IN
                ('manual', 'schedule', 'upstream', 'asset', 'file', 'webhook', 'backfill', 'rerun'));
            ALTER TABLE run ADD COLUMN trigger_name TEXT;
            -- The moment that a schedule meant; later or earlier than its creation.
            ALTER TABLE run ADD COLUMN scheduled_for INTEGER;
            ALTER TABLE run ADD COLUMN rerun_of TEXT;
            -- How many runs of its flow may go on at once; absent: any number.
            ALTER TABLE run ADD COLUMN max_runs INTEGER CHECK (max_runs > 0);
            -- Absent while it waits for others of its flow to end.
            ALTER TABLE run ADD COLUMN admitted_at INTEGER;
            -- Milliseconds that it may take from its first attempt's start.
            ALTER TABLE run ADD COLUMN timeout INTEGER CHECK (timeout > 0);
            ALTER TABLE run ADD COLUMN deadline_at INTEGER;
            -- Why it is being cancelled.
            ALTER TABLE run ADD COLUMN end_reason TEXT CHECK (end_reason IN ('cancelled', 'timeout'));
            -- Its tasks that are not final, and those that are and did not succeed.
            ALTER TABLE run ADD COLUMN open_tasks INTEGER NOT NULL DEFAULT 0 CHECK (open_tasks >= 0);
            ALTER TABLE run ADD COLUMN unsuccessful_tasks INTEGER NOT NULL DEFAULT 0 CHECK (unsuccessful_tasks >= 0);
            UPDATE run SET admitted_at = created_at,
                open_tasks = (SELECT count(*) FROM task WHERE task.run = run.id AND task.finished_at IS NULL),
                unsuccessful_tasks = (SELECT count(*) FROM task
                    WHERE task.run = run.id AND task.state IN ('failed', 'cancelled', 'skipped'));
            CREATE INDEX run_open_by_flow ON run (environment, bundle, flow, admitted_at) WHERE finished_at IS NULL;
            CREATE INDEX run_by_deadline ON run (deadline_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;

            ALTER TABLE task ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
            ALTER TABLE task ADD COLUMN parked_on TEXT CHECK (parked_on IS NULL OR state = 'ready');
            -- Limits beside its pool's that an attempt takes from: a JSON object of units by key.
            ALTER TABLE task ADD COLUMN limits TEXT;
            -- Milliseconds that an attempt may take.
            ALTER TABLE task ADD COLUMN timeout INTEGER NOT NULL DEFAULT 3600000;
            ALTER TABLE task ADD COLUMN retry_backoff REAL NOT NULL DEFAULT 2;
            ALTER TABLE task ADD COLUMN retry_jitter REAL NOT NULL DEFAULT 0;
            ALTER TABLE task ADD COLUMN retry_longest INTEGER NOT NULL DEFAULT 3600000;
            -- Direct dependencies that have not succeeded yet.
            ALTER TABLE task ADD COLUMN open_upstream INTEGER NOT NULL DEFAULT 0 CHECK (open_upstream >= 0);
            -- In a re-run: the attempt of an earlier run whose result stands for this task.
            ALTER TABLE task ADD COLUMN reused_attempt TEXT;
            UPDATE task SET open_upstream = (SELECT count(*) FROM task_dependency d JOIN task u ON u.id = d.upstream
                WHERE d.task = task.id AND u.state <> 'succeeded');
            UPDATE task SET parked_on = 'delay' WHERE state = 'ready';
            DROP INDEX task_queue;
            DROP INDEX task_by_ready_output;
            DROP INDEX task_due;
            CREATE INDEX task_queue ON task (pool, engine, priority DESC, ready_at, id)
                WHERE state = 'ready' AND parked_on IS NULL;
            CREATE INDEX task_delayed ON task (ready_at) WHERE parked_on = 'delay';
            CREATE INDEX task_parked ON task (parked_on, priority DESC, ready_at, id)
                WHERE parked_on IS NOT NULL;
            CREATE INDEX task_ready_by_pool ON task (pool, ready_at) WHERE state = 'ready';

            -- When the control plane ends it, whatever its agent says.
            ALTER TABLE attempt ADD COLUMN deadline_at INTEGER;
            CREATE INDEX attempt_by_deadline ON attempt (deadline_at) WHERE lease_until IS NOT NULL;
            CREATE INDEX attempt_published ON attempt (run, output) WHERE snapshot IS NOT NULL;

            CREATE TABLE concurrency_limit (
                key TEXT PRIMARY KEY NOT NULL,
                slots INTEGER NOT NULL CHECK (slots >= 0),
                set_at INTEGER NOT NULL,
                set_by TEXT NOT NULL
            ) STRICT, WITHOUT ROWID;

            -- What live attempts take from the limits that there are. A row goes with the lease that it belongs to,
            -- however that ends, so that nothing has to remember to give it back.
            CREATE TABLE limit_holder (
                key TEXT NOT NULL,
                attempt TEXT NOT NULL REFERENCES attempt (id),
                units INTEGER NOT NULL CHECK (units > 0),
                PRIMARY KEY (key, attempt)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX limit_holder_by_attempt ON limit_holder (attempt);
            CREATE TRIGGER attempt_gives_back AFTER UPDATE OF lease_until ON attempt
                WHEN old.lease_until IS NOT NULL AND new.lease_until IS NULL
            BEGIN DELETE FROM limit_holder WHERE attempt = new.id; END;

            CREATE TABLE flow_pause (
                environment TEXT NOT NULL,
                bundle TEXT NOT NULL,
                flow TEXT NOT NULL,
                reason TEXT NOT NULL,
                paused_at INTEGER NOT NULL,
                paused_by TEXT NOT NULL,
                PRIMARY KEY (environment, bundle, flow)
            ) STRICT, WITHOUT ROWID;
            """)
}
