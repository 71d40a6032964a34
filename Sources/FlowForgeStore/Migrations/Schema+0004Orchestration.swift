extension Schema {
    static let orchestration = Step(
        name: "0004-orchestration",
        sql: """
            """)
}
