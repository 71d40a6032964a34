public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Organisations and their projects: whose environments, bundles, pools and principals are.
public struct Organisations: Sendable {
    private let store: Store

    public init(store: Store) { self.store = store }

    /// By name.
    public func list(
        after: String? = nil, limit: Int = 100
    ) async throws -> OperatorAPI.Page<OperatorAPI.OrganisationView> {
        let rows = try await store.read { try $0.organisations.list(after: after, limit: limit + 1) }
        let page = rows.prefix(limit).map(OperatorAPI.OrganisationView.init)
        return OperatorAPI.Page(items: page, next: rows.count > limit ? page.last?.name : nil)
    }

    /// With a project `default`. Throws ``APIError`` `already_exists` for a name that is taken, and `forbidden` to
    /// whoever is of one organisation.
    public func create(
        _ request: OperatorAPI.CreateOrganisation, by actor: Actor
    ) async throws -> OperatorAPI.OrganisationView {
        try Self.check(request.name)
        return try await store.write { session in
            guard session.scope.isPlatform else {
                throw APIError.needsPlatform("organisations")
            }
            guard try !session.organisations.exists(request.name) else {
                throw APIError(
                    .alreadyExists, "there is an organisation '\(request.name)' already", hint: "take another name")
            }
            let row = try session.organisations.insert(request.name, by: actor.description)
            try session.audit.append(actor: actor, action: "organisation.create", subject: row.name)
            return OperatorAPI.OrganisationView(row)
        }
    }

    /// By organisation and name; `after` is the `next` of the page before.
    public func projects(
        of organisation: String? = nil, after: String? = nil, limit: Int = 100
    ) async throws -> OperatorAPI.Page<OperatorAPI.ProjectView> {
        let rows = try await store.read { session in
            if let organisation, try !session.organisations.exists(organisation) {
                throw APIError.noOrganisation(organisation)
            }
            return try session.organisations.projects(of: organisation, after: after, limit: limit + 1)
        }
        let page = rows.prefix(limit).map(OperatorAPI.ProjectView.init)
        return OperatorAPI.Page(
            items: page, next: rows.count > limit ? page.last.map { "\($0.organisation)/\($0.name)" } : nil)
    }

    /// In the organisation of whoever asks unless another is named. Throws ``APIError`` `already_exists`, and `forbidden` to
    /// whoever is confined to projects.
    public func createProject(
        _ request: OperatorAPI.CreateProject, by actor: Actor
    ) async throws -> OperatorAPI.ProjectView {
        try Self.check(request.name)
        return try await store.write { session in
            let organisation = request.organisation ?? session.scope.organisation ?? Scope.defaultName
            guard try session.organisations.exists(organisation) else { throw APIError.noOrganisation(organisation) }
            guard session.scope.isWholeOrganisation else { throw APIError.needsOrganisation("projects") }
            guard try !session.organisations.hasProject(request.name, of: organisation) else {
                throw APIError(
                    .alreadyExists, "there is a project '\(request.name)' in '\(organisation)' already",
                    hint: "take another name")
            }
            let row = try session.organisations.insertProject(request.name, of: organisation, by: actor.description)
            try session.audit.append(
                actor: actor, action: "project.create", subject: row.name, detail: ["organisation": .string(organisation)])
            return OperatorAPI.ProjectView(row)
        }
    }

    private static func check(_ name: String) throws(APIError) {
        guard isPlainName(name, dashes: true) else {
            throw APIError(
                .invalidRequest, "name: '\(name.prefix(64))' is no name",
                hint: "lower-case letters, digits, '_' and '-', starting with a letter, at most 63 characters")
        }
    }
}

extension OperatorAPI.OrganisationView {
    fileprivate init(_ row: OrganisationRow) { self.init(name: row.name, createdAt: row.createdAt, createdBy: row.createdBy) }
}

extension OperatorAPI.ProjectView {
    fileprivate init(_ row: ProjectRow) {
        self.init(organisation: row.organisation, name: row.name, createdAt: row.createdAt, createdBy: row.createdBy)
    }
}
