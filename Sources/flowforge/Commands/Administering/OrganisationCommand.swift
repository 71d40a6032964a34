import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct OrganisationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "org", abstract: "Organisations: whose environments, bundles, pools and principals are.",
        subcommands: [OrganisationCreate.self, OrganisationList.self])
}

struct OrganisationCreate: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an organisation, with a project 'default'.",
        discussion: """
            For owners of the whole control plane. Its first owner is made with \
            `flowforge principal create NAME --role owner --org ORGANISATION`.

              flowforge org create retail
            """)
    @Argument(help: "Lower-case letters, digits, '_' and '-'.") var name: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let made = try await remote.client.createOrganisation(.init(name: name))
        try remote.show(made) { _, _ in "Organisation \(made.name) is there, with its project default." }
    }
}

struct OrganisationList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the organisations that you see.",
        discussion: """
              flowforge org list
            """)
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.organisations(after: $0, limit: $1)
        }
        try remote.show(found, empty: "no organisations") { items, _ in
            Table(
                [.init("ORGANISATION"), .init("CREATED"), .init("BY", flexible: true)],
                rows: items.map { [$0.name, Figures.relative($0.createdAt, to: remote.now), $0.createdBy] })
        }
    }
}

struct ProjectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "project", abstract: "Projects: what the environments of an organisation are grouped by.",
        subcommands: [ProjectCreate.self, ProjectList.self])
}

struct ProjectCreate: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a project.",
        discussion: """
            In your organisation; owners of the whole control plane say which, or get 'default'. An environment \
            names its project in its file: `environment: {name: stores_prod, project: stores}`.

              flowforge project create stores --org retail
            """)
    @Argument(help: "Lower-case letters, digits, '_' and '-'.") var name: String
    @Option(name: .customLong("org"), help: "The organisation.") var organisation: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let made = try await remote.client.createProject(.init(name: name, organisation: organisation))
        try remote.show(made) { _, _ in "Project \(made.name) of \(made.organisation) is there." }
    }
}

struct ProjectList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the projects that you see.",
        discussion: """
              flowforge project list --org retail
            """)
    @Option(name: .customLong("org"), help: "Only those of this organisation.") var organisation: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.projects(organisation: organisation, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no projects") { items, _ in
            Table(
                [.init("ORGANISATION"), .init("PROJECT"), .init("CREATED"), .init("BY", flexible: true)],
                rows: items.map {
                    [$0.organisation, $0.name, Figures.relative($0.createdAt, to: remote.now), $0.createdBy]
                })
        }
    }
}

extension OperatorAPI.PrincipalView {
    /// `everything`, `retail`, or `retail: stores, web`.
    var scope: String {
        guard let organisation else { return "everything" }
        return projects.map { "\(organisation): \($0.joined(separator: ", "))" } ?? organisation
    }
}
