import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeOrchestration
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addBackfills(_ backfills: Backfills) {
        get("backfills") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["environment", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await backfills.list(environment: query.text("environment"), after: page.after, limit: page.limit))
        }
        post("backfills", .operator_) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.StartBackfill.self)
            let result = try await backfills.start(wanted, by: caller.actor)
            return try .created(result.created, result.backfill)
        }
        get("backfills/:backfill") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await backfills.show(try context.id("backfill", of: Backfill.self)))
        }
        get("backfills/:backfill/ticks") { request, context, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            let id = try context.id("backfill", of: Backfill.self)
            return try .json(try await backfills.ticks(of: id, after: page.after, limit: page.limit))
        }
        post("backfills/:backfill/cancel", .operator_) { _, context, caller in
            try .json(try await backfills.cancel(try context.id("backfill", of: Backfill.self), by: caller.actor))
        }
    }
}
