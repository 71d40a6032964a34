import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeOrchestration
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addTriggers(_ triggers: Triggers, _ webhooks: Webhooks) {
        get("triggers") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["environment", "all", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await triggers.list(
                    environment: query.text("environment"), all: try query.flag("all"), after: page.after, limit: page.limit))
        }
        get("triggers/:trigger") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await triggers.show(try context.id("trigger", of: Trigger.self)))
        }
        get("triggers/:trigger/ticks") { request, context, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            let id = try context.id("trigger", of: Trigger.self)
            return try .json(try await triggers.ticks(of: id, after: page.after, limit: page.limit))
        }
        get("triggers/:trigger/preview") { request, context, _ in
            let query = try OperatorQuery(request, allowing: ["count"])
            let count = try query.integer("count", in: 1...Triggers.longestPreview) ?? 10
            return try .json(try await triggers.preview(try context.id("trigger", of: Trigger.self), count: count))
        }
        post("triggers/:trigger/pause", .operator_) { _, context, caller in
            try .json(try await triggers.pause(try context.id("trigger", of: Trigger.self), by: caller.actor))
        }
        post("triggers/:trigger/resume", .operator_) { _, context, caller in
            try .json(try await triggers.resume(try context.id("trigger", of: Trigger.self), by: caller.actor))
        }
        post("triggers/:trigger/fire", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.FireTrigger.self)
            let result = try await triggers.fire(try context.id("trigger", of: Trigger.self), wanted, by: caller.actor)
            return try .created(result.created, result.tick)
        }
        post("triggers/:trigger/secret", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.MakeWebhookSecret.self)
            let id = try context.id("trigger", of: Trigger.self)
            return try .created(true, try await webhooks.makeSecret(id, wanted, by: caller.actor))
        }
    }
}
