extension Schema {
    /// Environments, the registry's index of bundles, and what was deployed where. A release is never
    /// changed but for `is_current`, of which the partial index allows one a bundle and environment.
    static let releases = Step(
        name: "0003-releases",
        sql: """
            CREATE TABLE environment (
                name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63),
                pool TEXT NOT NULL CHECK (length(pool) BETWEEN 1 AND 63),
                variables TEXT NOT NULL CHECK (json_valid(variables)),
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL
            ) STRICT;

            CREATE TABLE bundle (
                number INTEGER PRIMARY KEY,
                digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
                name TEXT NOT NULL,
                version TEXT NOT NULL,
                description TEXT NOT NULL,
                manifest TEXT NOT NULL CHECK (json_valid(manifest)),
                bytes INTEGER NOT NULL CHECK (bytes >= 0),
                pushed_at INTEGER NOT NULL,
                pushed_by TEXT NOT NULL,
                UNIQUE (name, version),
                UNIQUE (digest, name)
            ) STRICT;

            CREATE TABLE release (
                number INTEGER PRIMARY KEY,
                id TEXT NOT NULL UNIQUE,
                environment TEXT NOT NULL REFERENCES environment (name),
                bundle_name TEXT NOT NULL,
                bundle_digest TEXT NOT NULL,
                serial INTEGER NOT NULL CHECK (serial >= 1),
                is_current INTEGER NOT NULL CHECK (is_current IN (0, 1)),
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL,
                UNIQUE (environment, bundle_name, serial),
                FOREIGN KEY (bundle_digest, bundle_name) REFERENCES bundle (digest, name)
            ) STRICT;
            CREATE UNIQUE INDEX release_current ON release (environment, bundle_name) WHERE is_current = 1;
            CREATE INDEX release_history ON release (environment, number);
            """)
}
