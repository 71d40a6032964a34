import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addPrincipals(_ principals: Principals) {
        get("whoami") { request, _, caller in
            _ = try OperatorQuery(request)
            return try .json(caller.principal)
        }
        get("principals", .owner) { request, _, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(try await principals.list(after: page.after, limit: page.limit))
        }
        post("principals", .owner) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.CreatePrincipal.self)
            return try .created(true, try await principals.create(wanted, by: caller.actor))
        }
        delete("principals/:id", .owner) { _, context, caller in
            try await principals.revoke(try context.id("id", of: Principal.self), by: caller.actor)
            return Response(status: .noContent)
        }
    }

    func addOrganisations(_ organisations: Organisations) {
        get("organisations") { request, _, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(try await organisations.list(after: page.after, limit: page.limit))
        }
        post("organisations", .owner) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.CreateOrganisation.self)
            return try .created(true, try await organisations.create(wanted, by: caller.actor))
        }
        get("projects") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["organisation", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await organisations.projects(of: query.text("organisation"), after: page.after, limit: page.limit))
        }
        post("projects", .owner) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.CreateProject.self)
            return try .created(true, try await organisations.createProject(wanted, by: caller.actor))
        }
    }

    func addAudit(_ audit: AuditTrail) {
        get("audit", .owner) { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["subject", "action", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await audit.list(
                    after: page.after, subject: query.text("subject"), action: query.text("action"), limit: page.limit))
        }
    }
}
