internal import FlowForgeDomain
internal import GRDB

/// What of the database the operation's scope gets to see. Whatever is found by an id of its own passes
/// ``sees(environment:)``, and each list that may hold more than one environment has ``inScope(_:)`` in its
/// condition; the platform's scope adds nothing to either.
extension Session {
    /// An environment that is not there is out of every scope but the platform's.
    public func sees(environment: String) throws -> Bool {
        if scope.isPlatform { return true }
        let row = try row("SELECT organisation, project FROM environment WHERE name = ?", [environment])
        return row.map { scope.includes(organisation: $0["organisation"], project: $0["project"]) } ?? false
    }

    public func sees(pool: String) throws -> Bool {
        if scope.isPlatform { return true }
        return try exists("SELECT 1 FROM pool WHERE name = ?\(ofScope("name", pools: true))", [pool])
    }

    /// The row, unless its environment is out of scope.
    func seen<Row>(_ row: Row?, environment: (Row) -> String) throws -> Row? {
        guard let row, try sees(environment: environment(row)) else { return nil }
        return row
    }

    /// ` AND <column> IN …`: environments in scope. One text for each scope, so it may be cached.
    func inScope(_ column: String) -> String { ofScope(column, pools: false) }

    /// As ``inScope(_:)``, for pools: those of the organisation, and where the scope is projects those that
    /// environments of them use.
    func inScope(pool column: String) -> String { ofScope(column, pools: true) }

    private func ofScope(_ column: String, pools: Bool) -> String {
        guard let organisation = scope.organisation else { return "" }
        let project = scope.projects.map { " AND project IN (\($0.sorted().map(Self.quoted).joined(separator: ", ")))" } ?? ""
        let condition = "WHERE organisation = \(Self.quoted(organisation))\(project)"
        guard pools else { return " AND \(column) IN (SELECT name FROM environment \(condition))" }
        if !project.isEmpty {
            let others = "SELECT value FROM environment, json_each(spec, '$.pools') \(condition)"
            return " AND \(column) IN (SELECT pool FROM environment \(condition) UNION ALL \(others))"
        }
        return " AND \(column) IN (SELECT name FROM pool WHERE organisation = \(Self.quoted(organisation)))"
    }

    /// ` AND <column> = …`: what belongs to the organisation as a whole.
    func inOrganisation(_ column: String = "organisation") -> String {
        scope.organisation.map { " AND \(column) = \(Self.quoted($0))" } ?? ""
    }

    /// Names are checked before they are stored; this holds for any text.
    static func quoted(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }

    /// What follows from an operation for others than the one who asked for it, such as tasks that may go on
    /// because a limit has room again. Nothing that is read within may be told to the one who asked.
    public func asPlatform<T>(_ body: () throws -> T) rethrows -> T {
        let own = scope
        scope = .platform
        defer { scope = own }
        return try body()
    }
}
