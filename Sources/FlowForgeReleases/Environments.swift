public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore

/// The places that bundles are deployed to: each has a pool of agents and values for the bundles' variables.
public struct Environments: Sendable {
    /// Keeps one environment's row, and every assignment that carries its variables, small.
    static let mostVariables = 200
    static let longestValue = 4096

    let store: Store

    public init(store: Store) { self.store = store }

    /// Creates the environment and its audit entry. One with equal settings is returned as it is
    /// (`created` false); one with other settings is a conflict.
    public func create(
        _ request: OperatorAPI.CreateEnvironment, by actor: Actor
    ) async throws -> (environment: OperatorAPI.EnvironmentView, created: Bool) {
        try Self.check(request)
        return try await store.write { session in
            if let existing = try session.environments.find(request.name) {
                guard existing.pool == request.pool, existing.variables == request.variables else {
                    throw Self.differs(existing, from: request)
                }
                let current = try session.releases.current(environment: existing.name)
                return (OperatorAPI.EnvironmentView(existing, releases: current), false)
            }
            let row = try session.environments.insert(
                request.name, pool: request.pool, variables: request.variables, by: actor.description)
            try session.audit.append(
                actor: actor, action: "environment.create", subject: row.name,
                detail: ["pool": .string(row.pool), "variables": .array(row.variables.keys.sorted().map { .string($0) })])
            return (OperatorAPI.EnvironmentView(row, releases: []), true)
        }
    }

    /// By name, those after `after`, each with its current releases.
    public func list(after: String?, limit: Int) async throws -> OperatorAPI.Page<OperatorAPI.EnvironmentView> {
        try await store.read { session in
            let rows = try session.environments.list(after: after, limit: limit + 1)
            let page = try rows.prefix(limit).map { row in
                OperatorAPI.EnvironmentView(row, releases: try session.releases.current(environment: row.name))
            }
            return OperatorAPI.Page(items: page, next: rows.count > limit ? page.last?.name : nil)
        }
    }

    /// Throws ``APIError`` `not_found`.
    public func show(_ name: String) async throws -> OperatorAPI.EnvironmentView {
        try await store.read { session in
            let row = try session.environments.required(name)
            return OperatorAPI.EnvironmentView(row, releases: try session.releases.current(environment: name))
        }
    }

    private static func check(_ request: OperatorAPI.CreateEnvironment) throws(APIError) {
        let plain = "use lower-case letters, digits and '_', beginning with a letter, at most 63 characters"
        guard isPlainName(request.name) else {
            throw APIError(.invalidRequest, "name: '\(request.name.prefix(80))' is no environment name", hint: plain)
        }
        guard isPlainName(request.pool, dashes: true) else {
            throw APIError(
                .invalidRequest, "pool: '\(request.pool.prefix(80))' is no pool name", hint: "\(plain); '-' is allowed too")
        }
        guard request.variables.count <= mostVariables else {
            throw APIError(
                .invalidRequest, "variables: there are \(request.variables.count), at most \(mostVariables) are allowed")
        }
        for (name, value) in request.variables.sorted(by: { $0.key < $1.key }) {
            guard isPlainName(name) else {
                throw APIError(.invalidRequest, "variables: '\(name.prefix(80))' is no variable name", hint: plain)
            }
            switch value {
            case .null, .array, .object:
                throw APIError(
                    .invalidRequest, "variables.\(name): the value is neither text, a number nor a boolean",
                    hint: "give a JSON string, number, true or false")
            case .string(let text) where text.utf8.count > longestValue:
                throw APIError(
                    .invalidRequest, "variables.\(name): \(text.utf8.count) bytes, at most \(longestValue) are allowed")
            case .string, .bool, .integer, .number: break
            }
        }
    }

    /// Says which settings differ, without their values: a value may be something private.
    private static func differs(_ existing: EnvironmentRow, from request: OperatorAPI.CreateEnvironment) -> APIError {
        var fields = existing.pool == request.pool ? [] : ["pool (it is '\(existing.pool)')"]
        let names = Set(existing.variables.keys).union(request.variables.keys).sorted()
        fields += names.filter { existing.variables[$0] != request.variables[$0] }.map { "variables.\($0)" }
        return APIError(
            .conflict, "environment '\(existing.name)' exists with other settings: \(fields.joined(separator: ", "))",
            hint: "give its settings as `flowforge env show \(existing.name)` shows them, or choose another name")
    }
}

extension EnvironmentQueries {
    func required(_ name: String) throws -> EnvironmentRow {
        guard let row = try find(name) else {
            throw APIError(
                .notFound, "there is no environment '\(name.prefix(80))'",
                hint: "'flowforge env list' shows those that exist, 'flowforge env create' makes one")
        }
        return row
    }
}

extension OperatorAPI.EnvironmentView {
    init(_ row: EnvironmentRow, releases: [ReleaseRow]) {
        self.init(
            name: row.name, pool: row.pool, variables: row.variables, createdAt: row.createdAt,
            releases: releases.map(OperatorAPI.ReleaseView.init))
    }
}

extension OperatorAPI.ReleaseView {
    init(_ row: ReleaseRow) {
        self.init(
            id: row.id, environment: row.environment, bundle: row.bundle, serial: row.serial, createdAt: row.createdAt,
            createdBy: row.createdBy, current: row.isCurrent)
    }
}
