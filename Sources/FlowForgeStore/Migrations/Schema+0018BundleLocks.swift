extension Schema {
    /// What bundles say of the columns of their tables. A bundle whose files have no lock has no row.
    static let bundleLocks = Step(
        name: "0018-bundle-locks",
        sql: """
            CREATE TABLE bundle_lock (
                digest TEXT NOT NULL PRIMARY KEY REFERENCES bundle (digest),
                lock TEXT NOT NULL CHECK (json_valid(lock))
            ) STRICT, WITHOUT ROWID;
            """)
}
