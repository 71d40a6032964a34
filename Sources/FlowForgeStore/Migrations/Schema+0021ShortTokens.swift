extension Schema {
    /// Tokens that act for a principal for a while.
    static let shortTokens = Step(
        name: "0021-short-tokens",
        sql: """
            CREATE TABLE short_token (
                id TEXT PRIMARY KEY NOT NULL,
                principal TEXT NOT NULL REFERENCES principal (id),
                name TEXT NOT NULL,
                role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
                token_hash BLOB NOT NULL UNIQUE,
                -- Lists; absent: not confined.
                environments TEXT CHECK (environments IS NULL OR json_valid(environments)),
                actions TEXT CHECK (actions IS NULL OR json_valid(actions)),
                created_at INTEGER NOT NULL,
                expires_at INTEGER NOT NULL,
                revoked_at INTEGER
            ) STRICT;
            CREATE INDEX short_token_by_principal ON short_token (principal, expires_at);
            CREATE INDEX short_token_by_end ON short_token (expires_at);
            """)
}
