import FlowForgeProtocol
import Foundation
import NIOHTTP1
import Testing

/// `flowforge org` and `flowforge project`.
@Suite struct OrganisationProgramTests {
    private static func organisation(_ name: String) -> OperatorAPI.OrganisationView {
        .init(name: name, createdAt: Samples.now, createdBy: "principal:ada")
    }

    private static func project(_ name: String, of organisation: String) -> OperatorAPI.ProjectView {
        .init(organisation: organisation, name: name, createdAt: Samples.now, createdBy: "principal:ada")
    }

    /// Makes whatever is asked for, and lists two pages of each.
    private static func script(_ request: ScriptedServer.Request) -> ScriptedServer.Reply {
        switch (request.method, request.path) {
        case (.POST, "/api/v1/organisations"):
            guard let asked = try? WireCoding.decode(OperatorAPI.CreateOrganisation.self, from: request.body) else {
                return .notFound
            }
            return .created(organisation(asked.name))
        case (.POST, "/api/v1/projects"):
            guard let asked = try? WireCoding.decode(OperatorAPI.CreateProject.self, from: request.body) else {
                return .notFound
            }
            return .created(project(asked.name, of: asked.organisation ?? "default"))
        case (.GET, "/api/v1/organisations"):
            return request.uri.contains("after=default")
                ? .ok(OperatorAPI.Page(items: [organisation("retail")], next: nil))
                : .ok(OperatorAPI.Page(items: [organisation("default")], next: "default"))
        case (.GET, "/api/v1/projects"):
            return request.uri.contains("after=retail%2Fstores")
                ? .ok(OperatorAPI.Page(items: [project("web", of: "retail")], next: nil))
                : .ok(OperatorAPI.Page(items: [project("stores", of: "retail")], next: "retail/stores"))
        default: return .notFound
        }
    }

    @Test func `an organisation is made and told`() async throws {
        try await ScriptedServer.with(Self.script) { server in
            try await Command.with(server) { command in
                let made = try await command.run("org", "create", "retail")
                #expect(made.status == 0 && made.errors.isEmpty, "\(made)")
                #expect(made.output == "Organisation retail is there, with its project default.\n")
                let json = try await command.run("org", "create", "retail", "--json")
                let view = try WireCoding.decode(OperatorAPI.OrganisationView.self, from: Data(json.output.utf8))
                #expect(json.status == 0 && view.name == "retail" && view.createdBy == "principal:ada")
            }
            #expect(server.requests.map { "\($0.method) \($0.uri)" } == Array(repeating: "POST /api/v1/organisations", count: 2))
        }
    }

    @Test func `a project is made in the organisation that is named, or else in one's own`() async throws {
        try await ScriptedServer.with(Self.script) { server in
            try await Command.with(server) { command in
                let made = try await command.run("project", "create", "stores", "--org", "retail")
                #expect(made.status == 0 && made.output == "Project stores of retail is there.\n", "\(made)")
                let own = try await command.run("project", "create", "web")
                #expect(own.status == 0 && own.output == "Project web of default is there.\n", "\(own)")
                let json = try await command.run("project", "create", "web", "--org", "retail", "--json")
                let view = try WireCoding.decode(OperatorAPI.ProjectView.self, from: Data(json.output.utf8))
                #expect(view.name == "web" && view.organisation == "retail")
            }
            let asked = try server.requests.map { try WireCoding.decode(OperatorAPI.CreateProject.self, from: $0.body) }
            #expect(asked.map(\.organisation) == ["retail", nil, "retail"] && asked.map(\.name) == ["stores", "web", "web"])
        }
    }

    @Test func `organisations and projects are listed to their end, or as far as is asked`() async throws {
        try await ScriptedServer.with(Self.script) { server in
            try await Command.with(server) { command in
                let organisations = try await command.run("org", "list")
                #expect(organisations.status == 0, "\(organisations)")
                let lines = organisations.output.split(separator: "\n").map { String($0.split(separator: " ").first ?? "") }
                #expect(lines == ["ORGANISATION", "default", "retail"], "\(organisations)")

                let some = try await command.run("org", "list", "--limit", "1")
                #expect(some.output.split(separator: "\n").count == 2 && some.errors.contains("there are more"), "\(some)")
                let all = try await command.run("project", "list", "--org", "retail", "--all", "--json")
                let page = try WireCoding.decode(OperatorAPI.Page<OperatorAPI.ProjectView>.self, from: Data(all.output.utf8))
                #expect(page.items.map { "\($0.organisation)/\($0.name)" } == ["retail/stores", "retail/web"])
                #expect(page.next == nil)
                let table = try await command.run("project", "list")
                #expect(table.status == 0, "\(table)")
                let rows = table.output.split(separator: "\n").map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
                #expect(rows == ["ORGANISATION PROJECT", "retail stores", "retail web"], "\(table)")
            }
            let projects = server.requests.filter { $0.path == "/api/v1/projects" }
            #expect(projects.count == 4 && projects.prefix(2).allSatisfy { $0.uri.contains("organisation=retail") })
            #expect(projects.suffix(2).allSatisfy { !$0.uri.contains("organisation=") })
        }
    }

    @Test func `nothing to list is said, and is an empty list to programs`() async throws {
        let none = OperatorAPI.Page<OperatorAPI.OrganisationView>(items: [], next: nil)
        try await ScriptedServer.with({ _ in .ok(none) }) { server in
            try await Command.with(server) { command in
                for noun in ["org", "project"] {
                    let plain = try await command.run(noun, "list")
                    #expect(plain.status == 0 && plain.output.isEmpty && plain.errors.contains("no "), "\(plain)")
                    let json = try await command.run(noun, "list", "--json")
                    #expect(json.status == 0 && json.output == "{\"items\":[]}\n" && json.errors.isEmpty, "\(json)")
                }
            }
        }
    }

    @Test(arguments: [
        (HTTPResponseStatus.forbidden, ErrorCode.forbidden, 4), (.conflict, .alreadyExists, 5), (.notFound, .notFound, 3),
        (.badRequest, .invalidRequest, 2),
    ]) func `what is refused is told, with the code of any other command`(
        _ status: HTTPResponseStatus, _ code: ErrorCode, _ exit: Int
    ) async throws {
        let refusal = APIError(code, "it is so", hint: "do this")
        try await ScriptedServer.with({ _ in .refused(status, refusal) }) { server in
            try await Command.with(server) { command in
                for arguments in ["org create retail", "org list", "project create stores --org retail", "project list"] {
                    let result = try await command.shell("\"$0\" \(arguments)")
                    #expect(result.status == exit && result.output.isEmpty, "\(arguments): \(result)")
                    #expect(result.errors == "error: it is so\nhint:  do this\n")
                }
            }
        }
    }

    @Test func `wrong usage asks for nothing`() async throws {
        try await ScriptedServer.with(Self.script) { server in
            try await Command.with(server) { command in
                for arguments in [
                    "org create", "org create a b", "project create", "project create a --project b", "org list --limit 0",
                    "org list --org retail", "org remove retail",
                ] {
                    let result = try await command.shell("\"$0\" \(arguments)")
                    #expect(result.status == 2 && result.output.isEmpty && !result.errors.isEmpty, "\(arguments): \(result)")
                }
            }
            #expect(server.requests.isEmpty)
        }
    }

    @Test func `a principal is made in an organisation, confined to projects`() async throws {
        try await ScriptedServer.with({ request in
            guard let asked = try? WireCoding.decode(OperatorAPI.CreatePrincipal.self, from: request.body) else {
                return .notFound
            }
            var view = Samples.principal(asked.role)
            (view.name, view.organisation, view.projects) = (asked.name, asked.organisation, asked.projects)
            return .created(OperatorAPI.PrincipalGrant(principal: view, token: Secret("ff_once")))
        }) { server in
            try await Command.with(server) { command in
                let made = try await command.run(
                    "principal", "create", "rita", "--role", "owner", "--org", "retail", "--project", "stores", "--project",
                    "web", "--json")
                #expect(made.status == 0, "\(made)")
                let grant = try WireCoding.decode(OperatorAPI.PrincipalGrant.self, from: Data(made.output.utf8))
                #expect(grant.principal.organisation == "retail" && grant.principal.projects == ["stores", "web"])
                let own = try await command.run("principal", "create", "ci", "--role", "viewer", "--json")
                #expect(own.status == 0, "\(own)")
            }
            let asked = try server.requests.map { try WireCoding.decode(OperatorAPI.CreatePrincipal.self, from: $0.body) }
            #expect(asked.map(\.organisation) == ["retail", nil] && asked.map(\.projects) == [["stores", "web"], nil])
        }
    }
}
