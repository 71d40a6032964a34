extension Schema {
    /// Pointers to snapshots of other environments, what environments say about credentials and storage, which
    /// runs keep as they were when they were started, and questions to agents about the lake.
    static let sharedLake = Step(
        name: "0019-shared-lake",
        sql: """
            -- The environment in whose folder the snapshot lies; absent: the publication's own.
            ALTER TABLE publication ADD COLUMN home TEXT;

            -- Versions of assets that came about without new data: the pointer was moved to a snapshot of
            -- another environment, or to an earlier one.
            CREATE TABLE pointer_move (
                environment TEXT NOT NULL,
                asset TEXT NOT NULL,
                version INTEGER NOT NULL CHECK (version > 0),
                snapshot TEXT NOT NULL,
                location TEXT NOT NULL,
                home TEXT,
                moved_at INTEGER NOT NULL,
                -- A version that others had written into the lake, which the move had to surpass.
                above INTEGER,
                schema_changed INTEGER NOT NULL DEFAULT 0 CHECK (schema_changed IN (0, 1)),
                PRIMARY KEY (environment, asset, version)
            ) STRICT, WITHOUT ROWID;

            -- References to secrets, by name; never values.
            ALTER TABLE run ADD COLUMN credentials TEXT CHECK (credentials IS NULL OR json_valid(credentials));
            -- Names of those that the task's program needs: a JSON list.
            ALTER TABLE task ADD COLUMN credentials TEXT;

            -- Questions about the lake, which agents answer without a task.
            CREATE TABLE inquiry (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                id TEXT NOT NULL UNIQUE,
                pool TEXT NOT NULL,
                environment TEXT NOT NULL,
                kind TEXT NOT NULL,
                question TEXT NOT NULL CHECK (json_valid(question)),
                state TEXT NOT NULL CHECK (state IN ('asked', 'taken', 'answered', 'failed', 'expired', 'withdrawn')),
                -- Who works on it, or did last.
                agent TEXT REFERENCES agent (id),
                -- How often it was given to an agent.
                fencing INTEGER NOT NULL DEFAULT 0,
                -- Until then nobody else gets it.
                lease_until INTEGER,
                deadline_at INTEGER NOT NULL,
                asked_at INTEGER NOT NULL,
                asked_by TEXT NOT NULL,
                ended_at INTEGER,
                answer TEXT,
                error TEXT,
                CHECK ((lease_until IS NOT NULL) = (state = 'taken')),
                CHECK ((ended_at IS NULL) = (state IN ('asked', 'taken'))),
                CHECK ((answer IS NOT NULL) = (state = 'answered'))
            ) STRICT;
            CREATE INDEX inquiry_open ON inquiry (pool, number) WHERE state IN ('asked', 'taken');
            CREATE INDEX inquiry_taken ON inquiry (agent, number) WHERE state = 'taken';
            CREATE INDEX inquiry_by_deadline ON inquiry (deadline_at) WHERE state IN ('asked', 'taken');
            CREATE INDEX inquiry_ended ON inquiry (ended_at) WHERE ended_at IS NOT NULL;
            """)
}
