extension Schema {
    /// Assets, their snapshots and schemas, and the lineage between them.
    static let catalog = Step(
        name: "0005-catalog",
        sql: """
            -- Schemas that an asset has had, oldest first by `serial`.
            CREATE TABLE asset_schema (
                id INTEGER PRIMARY KEY,
                environment TEXT NOT NULL,
                asset TEXT NOT NULL,
                serial INTEGER NOT NULL,
                columns TEXT NOT NULL,
                UNIQUE (environment, asset, serial)
            ) STRICT;

            CREATE TABLE snapshot (
                id TEXT PRIMARY KEY NOT NULL,
                environment TEXT NOT NULL,
                asset TEXT NOT NULL,
                version INTEGER NOT NULL CHECK (version > 0),
                location TEXT NOT NULL,
                rows INTEGER NOT NULL,
                bytes INTEGER NOT NULL,
                published_at INTEGER NOT NULL,
                run TEXT NOT NULL REFERENCES run (id),
                task TEXT NOT NULL,
                attempt TEXT NOT NULL REFERENCES attempt (id),
                fencing INTEGER NOT NULL,
                schema INTEGER NOT NULL REFERENCES asset_schema (id),
                schema_changed INTEGER NOT NULL CHECK (schema_changed IN (0, 1)),
                statistics TEXT NOT NULL,
                UNIQUE (environment, asset, version)
            ) STRICT;

            -- Which snapshot is current.
            CREATE TABLE asset (
                environment TEXT NOT NULL,
                name TEXT NOT NULL,
                layer TEXT NOT NULL CHECK (layer IN ('bronze', 'silver', 'gold')),
                snapshot TEXT NOT NULL REFERENCES snapshot (id),
                PRIMARY KEY (environment, name)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX asset_by_layer ON asset (environment, layer, name);

            -- What the output of a task was made of, as of its newest accepted attempt. A column is ''
            -- where the whole table is meant: both on edges between tables, the output's alone where
            -- an input column acts on every row (a filter, a join key).
            CREATE TABLE lineage_edge (
                id INTEGER PRIMARY KEY,
                environment TEXT NOT NULL,
                output TEXT NOT NULL,
                output_column TEXT NOT NULL,
                input_kind TEXT NOT NULL CHECK (input_kind IN ('asset', 'source')),
                input TEXT NOT NULL,
                input_column TEXT NOT NULL,
                type TEXT CHECK (type IN ('DIRECT', 'INDIRECT')),
                subtype TEXT,
                task TEXT NOT NULL,
                attempt TEXT NOT NULL REFERENCES attempt (id)
            ) STRICT;
            CREATE INDEX lineage_edge_by_output ON lineage_edge (environment, output, output_column);
            CREATE INDEX lineage_edge_by_input ON lineage_edge (environment, input, input_column);
            """)
}
