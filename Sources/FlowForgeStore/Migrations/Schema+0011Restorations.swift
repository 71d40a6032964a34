extension Schema {
    /// Each time that this database came back from a backup. What was numbered after the backup is not
    /// known here; numbers above the floors were never given out.
    static let restorations = Step(
        name: "0011-restorations",
        sql: """
            CREATE TABLE restoration (
                restored_at INTEGER PRIMARY KEY NOT NULL,
                backup TEXT NOT NULL,
                made_at INTEGER NOT NULL,
                fencing_floor INTEGER NOT NULL,
                version_floor INTEGER NOT NULL
            ) STRICT;
            """)
}
