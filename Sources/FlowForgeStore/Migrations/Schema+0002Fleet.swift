extension Schema {
    /// An agent's `state` is what people decided (`active`, `draining`, `revoked`); whether it is
    /// online follows from `last_poll_at`.
    static let fleet = Step(
        name: "0002-fleet",
        sql: """
            CREATE TABLE join_token (
                id TEXT PRIMARY KEY NOT NULL,
                token_hash BLOB NOT NULL UNIQUE,
                pool TEXT NOT NULL,
                uses INTEGER NOT NULL CHECK (uses >= 1),
                used INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND uses),
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL,
                expires_at INTEGER NOT NULL,
                revoked_at INTEGER
            ) STRICT;

            CREATE TABLE agent (
                id TEXT PRIMARY KEY NOT NULL,
                name TEXT NOT NULL,
                pool TEXT NOT NULL,
                state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'draining', 'revoked')),
                agent_version TEXT NOT NULL,
                engines TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(engines)),
                labels TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels)),
                slots INTEGER NOT NULL DEFAULT 0,
                joined_at INTEGER NOT NULL,
                last_poll_at INTEGER
            ) STRICT;
            CREATE INDEX agent_pool ON agent (pool, id);

            CREATE TABLE agent_certificate (
                serial TEXT PRIMARY KEY NOT NULL,
                agent TEXT NOT NULL REFERENCES agent (id),
                not_before INTEGER NOT NULL,
                not_after INTEGER NOT NULL,
                issued_at INTEGER NOT NULL,
                revoked_at INTEGER
            ) STRICT;
            CREATE INDEX agent_certificate_agent ON agent_certificate (agent, not_after);
            """)
}
