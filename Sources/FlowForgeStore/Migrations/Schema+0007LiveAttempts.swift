extension Schema {
    /// A list of agents says how many leases each holds, without walking those of all.
    static let liveAttempts = Step(
        name: "0007-live-attempts",
        sql: """
            CREATE INDEX attempt_live_by_agent ON attempt (agent) WHERE lease_until IS NOT NULL;
            """)
}
