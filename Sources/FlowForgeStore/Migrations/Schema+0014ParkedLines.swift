extension Schema {
    /// Those who wait for one thing, by the agents that can take them.
    static let parkedLines = Step(
        name: "0014-parked-lines",
        sql: """
            DROP INDEX task_parked;
            CREATE INDEX task_parked ON task (parked_on, pool, engine, priority DESC, ready_at, id)
                WHERE parked_on IS NOT NULL;
            """)
}
