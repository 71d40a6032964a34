extension Schema {
    /// Organisations and their projects above environments. What there is before belongs to `default`;
    /// principals of before see the whole control plane.
    static let organisations = Step(
        name: "0023-organisations",
        sql: """
            CREATE TABLE organisation (
                name TEXT PRIMARY KEY NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE project (
                organisation TEXT NOT NULL REFERENCES organisation (name),
                name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL,
                PRIMARY KEY (organisation, name)
            ) STRICT, WITHOUT ROWID;
            INSERT INTO organisation VALUES ('default', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'system:control-plane');
            INSERT INTO project VALUES
                ('default', 'default', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'system:control-plane');

            ALTER TABLE environment ADD COLUMN organisation TEXT NOT NULL DEFAULT 'default';
            ALTER TABLE environment ADD COLUMN project TEXT NOT NULL DEFAULT 'default';
            CREATE INDEX environment_by_project ON environment (organisation, project, name);

            ALTER TABLE bundle ADD COLUMN organisation TEXT NOT NULL DEFAULT 'default';
            CREATE INDEX bundle_by_organisation ON bundle (organisation, number);

            -- Who has shown that they have a blob by pushing it. What nobody is noted for is of 'default'.
            CREATE TABLE blob_owner (
                digest TEXT NOT NULL,
                organisation TEXT NOT NULL REFERENCES organisation (name),
                PRIMARY KEY (digest, organisation)
            ) STRICT, WITHOUT ROWID;

            -- Whose agents are in a pool: with it its join tokens, agents, and limit.
            CREATE TABLE pool (
                name TEXT PRIMARY KEY NOT NULL,
                organisation TEXT NOT NULL REFERENCES organisation (name)
            ) STRICT, WITHOUT ROWID;
            INSERT INTO pool (name, organisation) SELECT pool, 'default' FROM
                (SELECT pool FROM agent UNION SELECT pool FROM join_token UNION SELECT pool FROM environment);

            -- Absent: the whole control plane. `projects`: a JSON list; absent: all of the organisation.
            ALTER TABLE principal ADD COLUMN organisation TEXT;
            ALTER TABLE principal ADD COLUMN projects TEXT CHECK (projects IS NULL OR json_valid(projects));

            -- Of who did it; absent: whoever is of the whole control plane, and the control plane itself.
            ALTER TABLE audit_entry ADD COLUMN organisation TEXT;
            CREATE INDEX audit_entry_by_organisation ON audit_entry (organisation, number) WHERE organisation IS NOT NULL;
            """)
}
