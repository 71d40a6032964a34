extension Schema {
    static let governance = Step(
        name: "0001-governance",
        sql: """
            """)
}
