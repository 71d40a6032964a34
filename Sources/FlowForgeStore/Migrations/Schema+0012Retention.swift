extension Schema {
    /// Finding and removing what is old, without walking over what is not.
    static let retention = Step(
        name: "0012-retention",
        sql: """
            CREATE INDEX run_finished ON run (finished_at, id) WHERE finished_at IS NOT NULL;
            -- Rows that refer to a run or an attempt are looked for when it is removed.
            CREATE INDEX snapshot_by_run ON snapshot (run);
            CREATE INDEX snapshot_by_attempt ON snapshot (attempt);
            CREATE INDEX asset_by_snapshot ON asset (snapshot);
            CREATE INDEX lineage_edge_by_attempt ON lineage_edge (attempt);
            CREATE INDEX task_reusing ON task (reused_attempt) WHERE reused_attempt IS NOT NULL;

            -- How far logs and events were removed: of all runs that finished up to there.
            CREATE TABLE retention_mark (
                noun TEXT PRIMARY KEY NOT NULL CHECK (noun IN ('log_chunk', 'lineage_event')),
                finished INTEGER NOT NULL,
                run TEXT NOT NULL
            ) STRICT, WITHOUT ROWID;

            -- Attempts that were removed, by the state they had: what counts them must not go back.
            CREATE TABLE removed_count (
                state TEXT PRIMARY KEY NOT NULL,
                count INTEGER NOT NULL CHECK (count > 0)
            ) STRICT, WITHOUT ROWID;
            CREATE TRIGGER attempt_removed AFTER DELETE ON attempt BEGIN
                INSERT INTO removed_count (state, count) VALUES (old.state, 1)
                    ON CONFLICT (state) DO UPDATE SET count = count + 1;
            END;
            """)
}
