extension Schema {
    /// What follows from the runs of backfills; ticks that wait for a run's end, and those that joined one.
    static let followers = Step(
        name: "0015-followers",
        sql: """
            -- The backfill that it belongs to: as its run, as one that followed from one, or as one of these again.
            ALTER TABLE run ADD COLUMN backfill TEXT;
            UPDATE run SET backfill = t.backfill FROM backfill_tick t WHERE t.run = run.id;
            CREATE INDEX run_open_by_backfill ON run (backfill) WHERE backfill IS NOT NULL AND finished_at IS NULL;

            -- The backfill whose run brought it about.
            ALTER TABLE tick ADD COLUMN backfill TEXT;
            -- Whether it waits for the end of a run; `due_at` is when to look again in any case.
            ALTER TABLE tick ADD COLUMN is_held INTEGER NOT NULL DEFAULT 0
                CHECK (is_held = 0 OR (is_held = 1 AND outcome = 'waiting'));
            CREATE INDEX tick_waiting_by_backfill ON tick (backfill) WHERE outcome = 'waiting' AND backfill IS NOT NULL;
            CREATE INDEX tick_held ON tick (trigger) WHERE is_held = 1;
            CREATE INDEX tick_joined ON tick (run) WHERE outcome = 'skipped' AND run IS NOT NULL;

            -- As it was asked for, so that a key that is used again can be compared.
            ALTER TABLE backfill ADD COLUMN request TEXT CHECK (request IS NULL OR json_valid(request));
            """)
}
