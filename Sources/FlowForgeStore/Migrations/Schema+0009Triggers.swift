extension Schema {
    /// What starts runs by itself, and every occasion on which it did or did not.
    static let triggers = Step(
        name: "0009-triggers",
        sql: """
            -- Declared by a release. What the current release does not declare is not live and keeps its
            -- history and position, for the day that it is declared again.
            CREATE TABLE trigger (
                id TEXT PRIMARY KEY NOT NULL,
                environment TEXT NOT NULL,
                bundle TEXT NOT NULL,
                flow TEXT NOT NULL,
                name TEXT NOT NULL,
                kind TEXT NOT NULL CHECK (kind IN ('schedule', 'upstream', 'asset', 'file', 'webhook')),
                specification TEXT NOT NULL CHECK (json_valid(specification)),
                pool TEXT NOT NULL,
                -- What it waits for: `<bundle>/<flow>`, or an asset.
                source TEXT,
                -- Files: where agents of the pool look for them.
                pattern TEXT,
                is_live INTEGER NOT NULL CHECK (is_live IN (0, 1)),
                paused_at INTEGER,
                paused_by TEXT,
                -- Schedules: every tick up to here is recorded.
                position INTEGER,
                -- Schedules: when to look at it next; absent while it does not run.
                next_at INTEGER,
                -- Webhooks: how often its secret was made; the one before holds until then.
                secret_serial INTEGER NOT NULL DEFAULT 0 CHECK (secret_serial >= 0),
                old_secret_until INTEGER,
                created_at INTEGER NOT NULL,
                changed_at INTEGER NOT NULL,
                UNIQUE (environment, bundle, flow, name),
                CHECK ((paused_at IS NULL) = (paused_by IS NULL)),
                CHECK ((source IS NOT NULL) = (kind IN ('upstream', 'asset'))),
                CHECK ((pattern IS NOT NULL) = (kind = 'file')),
                CHECK (position IS NULL OR kind = 'schedule'),
                CHECK (next_at IS NULL OR (kind = 'schedule' AND is_live = 1 AND paused_at IS NULL))
            ) STRICT;
            CREATE INDEX trigger_due ON trigger (next_at) WHERE next_at IS NOT NULL;
            CREATE INDEX trigger_by_source ON trigger (environment, kind, source) WHERE is_live = 1 AND source IS NOT NULL;
            CREATE INDEX trigger_by_environment ON trigger (environment, id);
            CREATE INDEX trigger_by_pool ON trigger (pool, kind) WHERE is_live = 1 AND kind = 'file';

            -- An occasion to start a run. A trigger has each once: what brings it about a second time
            -- finds its key taken.
            CREATE TABLE tick (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                trigger TEXT NOT NULL REFERENCES trigger (id),
                key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
                outcome TEXT NOT NULL CHECK (outcome IN ('waiting', 'fired', 'caught-up', 'skipped')),
                reason TEXT,
                -- Which it started, or joined; no reference, as old runs are pruned.
                run TEXT,
                scheduled_for INTEGER,
                -- The last tick of a range of skipped ones, which is one row however long it is.
                until INTEGER,
                count INTEGER NOT NULL DEFAULT 1 CHECK (count > 0),
                due_at INTEGER,
                recorded_at INTEGER NOT NULL,
                cause TEXT CHECK (cause IS NULL OR json_valid(cause)),
                parameters TEXT CHECK (parameters IS NULL OR json_valid(parameters)),
                UNIQUE (trigger, key),
                CHECK ((due_at IS NOT NULL) = (outcome = 'waiting')),
                CHECK ((reason IS NOT NULL) = (outcome = 'skipped')),
                CHECK (run IS NOT NULL OR outcome IN ('waiting', 'skipped'))
            ) STRICT;
            CREATE INDEX tick_by_trigger ON tick (trigger, number);
            CREATE INDEX tick_due ON tick (due_at) WHERE outcome = 'waiting';
            CREATE INDEX tick_waiting_by_trigger ON tick (trigger) WHERE outcome = 'waiting';

            -- How many ticks had which end, as `state_count` counts runs.
            CREATE TABLE tick_count (
                kind TEXT NOT NULL,
                outcome TEXT NOT NULL,
                count INTEGER NOT NULL CHECK (count >= 0),
                PRIMARY KEY (kind, outcome)
            ) STRICT, WITHOUT ROWID;
            CREATE TRIGGER tick_counted AFTER INSERT ON tick WHEN new.outcome <> 'waiting' BEGIN
                INSERT INTO tick_count (kind, outcome, count)
                    VALUES ((SELECT kind FROM trigger WHERE id = new.trigger), new.outcome, new.count)
                    ON CONFLICT (kind, outcome) DO UPDATE SET count = count + new.count;
            END;
            CREATE TRIGGER tick_decided AFTER UPDATE OF outcome ON tick
                WHEN old.outcome = 'waiting' AND new.outcome <> 'waiting' BEGIN
                INSERT INTO tick_count (kind, outcome, count)
                    VALUES ((SELECT kind FROM trigger WHERE id = new.trigger), new.outcome, new.count)
                    ON CONFLICT (kind, outcome) DO UPDATE SET count = count + new.count;
            END;

            -- Files that a file trigger has been told of. `file` is a digest of name, size and time of change.
            CREATE TABLE arrival (
                trigger TEXT NOT NULL REFERENCES trigger (id),
                file TEXT NOT NULL,
                arrived_at INTEGER NOT NULL,
                PRIMARY KEY (trigger, file)
            ) STRICT, WITHOUT ROWID;

            -- Which agent of the pool looks for a file trigger's files. The fencing number grows with each
            -- change of the agent or the pattern; what is reported under an older one is dropped.
            CREATE TABLE file_watch (
                trigger TEXT PRIMARY KEY NOT NULL REFERENCES trigger (id),
                agent TEXT NOT NULL,
                fencing INTEGER NOT NULL,
                until INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            """)
}
