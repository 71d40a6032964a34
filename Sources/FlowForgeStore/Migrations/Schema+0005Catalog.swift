extension Schema {
    static let catalog = Step(
        name: "0005-catalog",
        sql: """
            """)
}
