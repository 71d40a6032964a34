extension Schema {
    /// What says something of a bundle: OCI referrers, of which the store knows the names and the registry's folder the
    /// content. They are never changed; they go with their bundle.
    static let referrers = Step(
        name: "0016-referrers",
        sql: """
            CREATE TABLE referrer (
                number INTEGER PRIMARY KEY,
                digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
                subject TEXT NOT NULL REFERENCES bundle (digest),
                -- The blob that the manifest names beside the empty config.
                envelope TEXT NOT NULL CHECK (length(envelope) = 71 AND envelope GLOB 'sha256:*'),
                artifact_type TEXT NOT NULL,
                predicate_type TEXT NOT NULL,
                annotations TEXT NOT NULL CHECK (json_valid(annotations)),
                -- Of the manifest alone, as an index lists it.
                manifest_bytes INTEGER NOT NULL CHECK (manifest_bytes > 0),
                -- Of all blobs together.
                bytes INTEGER NOT NULL CHECK (bytes > 0),
                pushed_at INTEGER NOT NULL,
                pushed_by TEXT NOT NULL
            ) STRICT;
            CREATE INDEX referrer_by_subject ON referrer (subject, number);
            """)
}
