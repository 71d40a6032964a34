public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// The places that bundles are released to, as they are declared.
public struct Environments: Sendable {
    let store: Store

    public init(store: Store) { self.store = store }

    /// Creates an environment that is nothing but a pool and values, and its audit entry. One with equal
    /// settings is returned as it is (`created` false); one with other settings is a conflict.
    public func create(
        _ request: OperatorAPI.CreateEnvironment, by actor: Actor
    ) async throws -> (environment: OperatorAPI.EnvironmentView, created: Bool) {
        let values = request.variables.mapValues { ConfigValue($0) }
        let spec = EnvironmentSpec(
            name: request.name, pool: request.pool, config: values.isEmpty ? [] : [.init(name: "environment", values: values)])
        // The request says `variables` where a declaration has layers.
        try Self.check(spec) { $0.replacing("config.environment.", with: "variables.") }
        return try await store.write { session in
            if let existing = try session.environments.find(request.name) {
                guard existing.pool == request.pool, existing.variables == request.variables else {
                    throw Self.differs(existing, from: request)
                }
                return (try Self.view(existing, session), false)
            }
            try Self.requireProject(of: spec, session)
            return (try Self.view(try Self.insert(spec, by: actor, session), session), true)
        }
    }

    /// Makes the environment as declared. What is released keeps the values that it was applied with until
    /// the next plan. Applying what is there changes nothing.
    public func apply(
        _ request: OperatorAPI.ApplyEnvironment, name: String, by actor: Actor
    ) async throws -> OperatorAPI.AppliedEnvironment {
        let spec = try Self.spec(request.spec, name: name)
        try Self.check(spec)
        let isDry = request.dryRun ?? false
        let judge = { @Sendable (session: Session) -> OperatorAPI.AppliedEnvironment in
            try Self.checkUpstream(spec, session)
            let existing = try session.environments.find(name)
            if let base = request.baseSerial, base != existing?.serial ?? 0 {
                throw APIError(
                    .conflict, "environment '\(name)' has changed: its serial is \(existing?.serial ?? 0), not \(base)",
                    hint: "look at it with `flowforge env show \(name)` and apply again")
            }
            guard let existing else {
                try session.environments.requireFree(name)
                try Self.requireProject(of: spec, session)
                let changes = FieldDiff.changes(from: [:], to: try JSONValue(encoding: spec))
                if isDry { return .init(environment: nil, created: true, changes: changes) }
                let row = try Self.insert(spec, by: actor, session)
                return .init(environment: try Self.view(row, session), created: true, changes: changes)
            }
            guard existing.project == spec.project ?? Scope.defaultName else {
                throw APIError(
                    .conflict, "environment '\(name)' is of project '\(existing.project)', which cannot be changed",
                    hint: "leave the project as it is, or apply the file under another name")
            }
            try Self.checkStorage(existing.spec, spec, session)
            let changes = try Self.changes(existing.spec, spec)
            if isDry || changes.isEmpty {
                return .init(environment: try Self.view(existing, session), created: false, changes: changes)
            }
            let row = try session.environments.update(existing, spec: spec, overrides: existing.overrides)
            try session.audit.append(
                actor: actor, action: "environment.apply", subject: name,
                detail: ["serial": .integer(Int64(row.serial)), "fields": .array(changes.map { .string($0.field) })])
            return .init(environment: try Self.view(row, session), created: false, changes: changes)
        }
        return isDry ? try await store.read(judge) : try await store.write(judge)
    }

    /// Puts a value over those of the files, or takes it away (`nil`); it takes effect with the next plan.
    public func override(
        _ variable: String, of name: String, with request: OperatorAPI.OverrideVariable?, by actor: Actor
    ) async throws -> OperatorAPI.EnvironmentView {
        if let request {
            guard isPlainName(variable) else {
                throw APIError(
                    .invalidRequest, "'\(variable.prefix(80))' is no variable name", hint: "lower-case letters, digits and '_'")
            }
            if let fault = EnvironmentSpec.valueFault(request.value) { throw APIError(.invalidRequest, "value: \(fault)") }
            guard (1...1000).contains(request.reason.utf8.count) else {
                throw APIError(.invalidRequest, "reason must be 1 to 1000 bytes long", hint: "say why, for who finds it")
            }
        }
        return try await store.write { session in
            let row = try session.environments.required(name)
            guard row.overrides[variable] != request?.value else { return try Self.view(row, session) }
            var overrides = row.overrides
            overrides[variable] = request?.value
            let types = row.spec.config.compactMap { $0.values[variable]?.type }
            if let value = request?.value, let type = types.last, type.converting(value) == nil {
                throw APIError(.invalidRequest, "value: variable '\(variable)' must be \(type.form)")
            }
            let new = try session.environments.update(row, spec: row.spec, overrides: overrides)
            var detail: [String: JSONValue] = ["variable": .string(variable), "serial": .integer(Int64(new.serial))]
            detail["reason"] = request.map { .string($0.reason) }
            try session.audit.append(
                actor: actor, action: request == nil ? "environment.override.remove" : "environment.override", subject: name,
                detail: detail)
            return try Self.view(new, session)
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

    /// With its declaration, and where each variable comes from. Throws ``APIError`` `not_found`.
    public func show(_ name: String) async throws -> OperatorAPI.EnvironmentView {
        try await store.read { session in try Self.view(try session.environments.required(name), session) }
    }
}

extension Environments {
    private static func insert(_ spec: EnvironmentSpec, by actor: Actor, _ session: Session) throws -> EnvironmentRow {
        let row = try session.environments.insert(spec, by: actor.description)
        try session.audit.append(
            actor: actor, action: "environment.create", subject: row.name,
            detail: ["pool": .string(row.pool), "variables": .array(row.variables.keys.sorted().map { .string($0) })])
        return row
    }

    private static func view(_ row: EnvironmentRow, _ session: Session) throws -> OperatorAPI.EnvironmentView {
        var view = OperatorAPI.EnvironmentView(row, releases: try session.releases.current(environment: row.name))
        view.spec = try JSONValue(encoding: row.spec)
        view.effective = EffectiveConfig(row.spec.config, overrides: row.overrides).entries.mapValues {
            .init(value: $0.value, layer: $0.layer)
        }
        return view
    }

    private static func spec(_ json: JSONValue, name: String) throws -> EnvironmentSpec {
        var spec: EnvironmentSpec
        do { spec = try json.decoded(as: EnvironmentSpec.self) } catch let error as DecodingError {
            throw APIError(
                .invalidRequest, "spec: \(error.field)", hint: "`flowforge env apply -f FILE` sends what the control plane reads")
        }
        guard spec.name == name else {
            throw APIError(.invalidRequest, "spec.name: '\(spec.name.prefix(80))' is not '\(name.prefix(80))'")
        }
        if spec.project == Scope.defaultName { spec.project = nil }
        return spec
    }

    static func changes(_ old: EnvironmentSpec, _ new: EnvironmentSpec) throws -> [OperatorAPI.FieldChange] {
        FieldDiff.changes(from: try JSONValue(encoding: old), to: try JSONValue(encoding: new))
    }

    private static func check(_ spec: EnvironmentSpec, saying words: (String) -> String = { $0 }) throws(APIError) {
        let faults = spec.faults()
        guard let first = faults.first else { return }
        throw APIError(
            .invalidRequest, faults.map { words($0.description) }.joined(separator: "; "), hint: first.hint,
            metadata: ["fields": faults.map(\.field).joined(separator: ", ")])
    }

    /// A new environment's project exists, and whoever asks may see what is in it.
    private static func requireProject(of spec: EnvironmentSpec, _ session: Session) throws {
        let project = spec.project ?? Scope.defaultName
        let organisation = session.scope.organisation ?? Scope.defaultName
        guard try session.organisations.hasProject(project, of: organisation) else { throw APIError.noProject(project) }
    }

    /// Tables stay where they are written, so a layer's root is chosen before its first.
    private static func checkStorage(_ old: EnvironmentSpec, _ new: EnvironmentSpec, _ session: Session) throws {
        let moved = Set(old.storage.keys).union(new.storage.keys).filter { old.storage[$0] != new.storage[$0] }.sorted()
        guard let first = moved.first else { return }
        if let table = try session.publications.first(in: moved, environment: old.name) {
            throw APIError(
                .conflict,
                "storage.\(table.layer.rawValue): '\(old.name)' has tables in \(table.layer.rawValue), such as \(table)",
                hint: "declare another environment with the new root, and promote to it with --mode physical")
        }
        guard try !session.runs.isAnyOpen(environment: old.name) else {
            throw APIError(
                .conflict, "storage.\(first): runs of '\(old.name)' go on", hint: "apply again when they have ended")
        }
    }

    /// Upstreams exist in the organisation and lead to no circle.
    private static func checkUpstream(_ spec: EnvironmentSpec, _ session: Session) throws {
        var open = spec.upstream.map(\.environment)
        var seen: Set<String> = []
        let organisation =
            try session.environments.find(spec.name)?.organisation ?? session.scope.organisation ?? Scope.defaultName
        for name in open where try session.environments.find(name)?.organisation != organisation {
            throw APIError(
                .invalidRequest, "upstream: there is no environment '\(name)'", hint: "apply the file of '\(name)' first")
        }
        while let name = open.popLast() {
            guard name != spec.name else {
                throw APIError(
                    .invalidRequest, "upstream: '\(spec.name)' would be an upstream of itself", hint: "leave one of them out")
            }
            guard seen.insert(name).inserted, let row = try session.environments.find(name) else { continue }
            open += row.spec.upstream.map(\.environment)
        }
    }

    /// Says which settings differ, without their values: a value may be something private.
    private static func differs(_ existing: EnvironmentRow, from request: OperatorAPI.CreateEnvironment) -> APIError {
        var fields = existing.pool == request.pool ? [] : ["pool (it is '\(existing.pool)')"]
        let names = Set(existing.variables.keys).union(request.variables.keys).sorted()
        fields += names.filter { existing.variables[$0] != request.variables[$0] }.map { "variables.\($0)" }
        return APIError(
            .conflict, "environment '\(existing.name)' exists with other settings: \(fields.joined(separator: ", "))",
            hint: "change it with `flowforge env apply -f FILE`; `flowforge env export \(existing.name)` writes the file")
    }
}

extension DecodingError {
    /// Where it is, and what: `protection.gates[0]: a gate is exactly one of …`.
    var field: String {
        func path(_ keys: [any CodingKey]) -> String {
            String(
                keys.reduce(into: "") { text, key in
                    text += key.intValue.map { "[\($0)]" } ?? (text.isEmpty ? key.stringValue : ".\(key.stringValue)")
                }.prefix(200))
        }
        return switch self {
        case .keyNotFound(let key, let context): "\(path(context.codingPath + [key])): missing"
        case .valueNotFound(_, let context), .typeMismatch(_, let context), .dataCorrupted(let context):
            "\(path(context.codingPath)): \(context.debugDescription.prefix(200))"
        @unknown default: "is not of the expected form"
        }
    }
}

extension EnvironmentQueries {
    func required(_ name: String) throws -> EnvironmentRow {
        guard let row = try find(name) else {
            throw APIError(
                .notFound, "there is no environment '\(name.prefix(80))'",
                hint: "'flowforge env list' shows those that exist, 'flowforge env apply' makes one")
        }
        return row
    }

    /// One in which something may be changed or started.
    func usable(_ name: String) throws -> EnvironmentRow {
        let row = try required(name)
        guard !row.isExpired(at: session.now) else { throw APIError.expired(row) }
        return row
    }
}

extension APIError {
    static func expired(_ row: EnvironmentRow) -> APIError {
        APIError(
            .conflict, "environment '\(row.name)' has expired (\(row.expiresAt.map(WireCoding.text) ?? ""))",
            hint: "give it another 'expires' with `flowforge env apply`")
    }
}

extension OperatorAPI.EnvironmentView {
    init(_ row: EnvironmentRow, releases: [ReleaseRow]) {
        self.init(
            name: row.name, pool: row.pool, variables: row.variables, createdAt: row.createdAt,
            releases: releases.map(OperatorAPI.ReleaseView.init), serial: row.serial, tier: row.spec.tier,
            upstream: row.spec.upstream.map(\.environment), expiresAt: row.expiresAt,
            organisation: row.organisation, project: row.project)
    }
}

extension OperatorAPI.ReleaseView {
    init(_ row: ReleaseRow) {
        self.init(
            id: row.id, environment: row.environment, bundle: row.bundle, serial: row.serial, createdAt: row.createdAt,
            createdBy: row.createdBy, current: row.isCurrent)
    }
}
