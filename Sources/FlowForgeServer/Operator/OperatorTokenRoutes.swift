import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addTokens(_ tokens: ShortTokens) {
        get("tokens") { request, _, caller in
            let query = try OperatorQuery(request, allowing: ["all", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await tokens.list(all: try query.flag("all"), after: page.after, limit: page.limit, by: caller))
        }
        post("tokens", .viewer) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.CreateToken.self)
            return try .created(true, try await tokens.create(wanted, by: caller))
        }
        delete("tokens/:id", .viewer) { _, context, caller in
            try await tokens.revoke(try context.id("id", of: ShortToken.self), by: caller)
            return Response(status: .noContent)
        }
    }
}
