extension Schema {
    /// `audit_entry` is append-only: the database itself refuses to change or delete a row.
    static let governance = Step(
        name: "0001-governance",
        sql: """
            CREATE TABLE principal (
                id TEXT PRIMARY KEY NOT NULL,
                name TEXT NOT NULL,
                role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
                token_hash BLOB NOT NULL UNIQUE,
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL,
                expires_at INTEGER,
                revoked_at INTEGER
            ) STRICT;
            -- A name may be used again once its holder was revoked.
            CREATE UNIQUE INDEX principal_name ON principal (name) WHERE revoked_at IS NULL;

            CREATE TABLE audit_entry (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                at INTEGER NOT NULL,
                actor TEXT NOT NULL,
                action TEXT NOT NULL,
                subject TEXT NOT NULL,
                outcome TEXT NOT NULL CHECK (outcome IN ('allowed', 'refused')),
                detail TEXT NOT NULL CHECK (json_valid(detail))
            ) STRICT;
            CREATE INDEX audit_entry_subject ON audit_entry (subject, number);
            CREATE INDEX audit_entry_action ON audit_entry (action, number);
            CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
                BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
            CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry
                BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
            """)
}
