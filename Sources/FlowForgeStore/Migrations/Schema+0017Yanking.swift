extension Schema {
    /// Versions that are withdrawn, and bundles whose content was removed.
    ///
    /// A row stays when its content goes: releases and runs of then refer to it, and its name and version are not
    /// given to other content.
    static let yanking = Step(
        name: "0017-yanking",
        sql: """
            ALTER TABLE bundle ADD COLUMN yanked_at INTEGER;
            ALTER TABLE bundle ADD COLUMN yanked_by TEXT CHECK ((yanked_by IS NULL) = (yanked_at IS NULL));
            ALTER TABLE bundle ADD COLUMN yank_reason TEXT CHECK ((yank_reason IS NULL) = (yanked_at IS NULL));
            -- When it was pushed again; its age counts from there.
            ALTER TABLE bundle ADD COLUMN renewed_at INTEGER;
            ALTER TABLE bundle ADD COLUMN removed_at INTEGER;

            CREATE INDEX release_by_bundle ON release (bundle_digest);
            CREATE INDEX run_open_by_digest ON run (bundle_digest) WHERE finished_at IS NULL;
            """)
}
