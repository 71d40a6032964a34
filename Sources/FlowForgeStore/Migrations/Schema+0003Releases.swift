extension Schema {
    static let releases = Step(
        name: "0003-releases",
        sql: """
            """)
}
