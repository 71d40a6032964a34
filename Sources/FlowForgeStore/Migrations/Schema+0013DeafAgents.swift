extension Schema {
    /// Agents that are given work and do not start it. A row goes with the first start.
    static let deafAgents = Step(
        name: "0013-deaf-agents",
        sql: """
            CREATE TABLE agent_deafness (
                agent TEXT PRIMARY KEY NOT NULL REFERENCES agent (id),
                -- Answers with work, one after the other, of which nothing was started.
                missed INTEGER NOT NULL CHECK (missed > 0),
                -- When the last of them was given.
                leased_at INTEGER NOT NULL,
                -- Present while it is deaf: when it is tried again.
                probe_at INTEGER
            ) STRICT, WITHOUT ROWID;
            """)
}
