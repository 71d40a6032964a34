import FlowForgeDomain
import FlowForgeFleet
import FlowForgeGovernance
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addJoinTokens(_ tokens: JoinTokens) {
        get("join-tokens", .owner) { request, _, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(try await tokens.list(after: page.after, limit: page.limit))
        }
        post("join-tokens", .owner) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.CreateJoinToken.self)
            return try .created(true, try await tokens.create(wanted, by: caller.actor))
        }
        delete("join-tokens/:id", .owner) { _, context, caller in
            try await tokens.revoke(try context.id("id", of: JoinToken.self), by: caller.actor)
            return Response(status: .noContent)
        }
    }

    func addAgents(_ agents: AgentRegistry) {
        get("agents") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["pool", "after", "limit"])
            let page = try query.page()
            return try .json(try await agents.list(pool: query.text("pool"), after: page.after, limit: page.limit))
        }
        get("agents/:agent") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await agents.show(try context.id("agent", of: Agent.self)))
        }
        post("agents/:agent/drain", .operator_) { _, context, caller in
            try .json(try await agents.drain(try context.id("agent", of: Agent.self), by: caller.actor))
        }
        post("agents/:agent/resume", .operator_) { _, context, caller in
            try .json(try await agents.resume(try context.id("agent", of: Agent.self), by: caller.actor))
        }
        post("agents/:agent/revoke", .owner) { _, context, caller in
            try .json(try await agents.revoke(try context.id("agent", of: Agent.self), by: caller.actor))
        }
    }
}
