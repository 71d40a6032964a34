extension Schema {
    /// What other systems are asked about plans, and which of their answers were taken in.
    static let gateCalls = Step(
        name: "0022-gate-calls",
        sql: """
            CREATE TABLE gate_call (
                plan TEXT NOT NULL REFERENCES plan (digest),
                gate TEXT NOT NULL,
                -- The same for each attempt, so that the other system can tell repetitions.
                id TEXT NOT NULL UNIQUE,
                promotion TEXT NOT NULL REFERENCES promotion (id),
                -- told: it took the question and answers later.
                state TEXT NOT NULL CHECK (state IN ('open', 'told', 'answered', 'given_up')),
                attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
                next_at INTEGER NOT NULL,
                last_error TEXT NOT NULL DEFAULT '',
                created_at INTEGER NOT NULL,
                finished_at INTEGER,
                PRIMARY KEY (plan, gate)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX gate_call_due ON gate_call (next_at) WHERE state = 'open';

            -- Ids of answers that came in signed: none counts twice.
            CREATE TABLE gate_receipt (
                plan TEXT NOT NULL REFERENCES plan (digest),
                gate TEXT NOT NULL,
                message TEXT NOT NULL,
                at INTEGER NOT NULL,
                PRIMARY KEY (plan, gate, message)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX gate_receipt_by_time ON gate_receipt (at);
            """)
}
