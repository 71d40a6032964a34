extension Schema {
    static let fleet = Step(
        name: "0002-fleet",
        sql: """
            """)
}
