extension Schema {
    /// Pointers to snapshots of other environments, and what environments say about credentials and
    /// storage, which runs keep as they were when they were started.
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
            -- Names of the agents' storage roots, by layer.
            ALTER TABLE run ADD COLUMN storage TEXT CHECK (storage IS NULL OR json_valid(storage));
            """)
}
