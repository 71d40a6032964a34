import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import FlowForgeReleases
import Hummingbird

extension OperatorRoutes {
    func addPlans(_ plans: Plans) {
        post("environments/:environment/plans", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.MakePlan.self)
            let result = try await plans.make(wanted, environment: try context.part("environment"), by: caller.actor)
            return try .created(result.created, result.plan)
        }
        get("plans") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["environment", "after", "limit"])
            let page = try query.page()
            return try .json(try await plans.list(environment: query.text("environment"), after: page.after, limit: page.limit))
        }
        get("plans/:digest") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await plans.show(try context.part("digest")))
        }
        post("plans/:digest/approvals", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.Approve.self)
            return try .json(try await plans.approve(try context.part("digest"), wanted, by: caller.actor))
        }
        post("plans/:digest/gates/:gate/override", .owner) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.GateWord.self)
            return try .json(
                try await plans.override(try context.part("gate"), of: try context.part("digest"), wanted, by: caller.actor))
        }
        post("plans/:digest/gates/:gate/answer", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.GateWord.self)
            return try .json(
                try await plans.answer(try context.part("gate"), of: try context.part("digest"), wanted, by: caller.actor))
        }
    }

    func addPromotions(_ promotions: Promotions) {
        post("promotions", .operator_) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.RequestPromotion.self)
            let result = try await promotions.request(wanted, by: caller.actor)
            return try .created(result.created, result.promotion)
        }
        get("promotions") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["environment", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await promotions.list(environment: query.text("environment"), after: page.after, limit: page.limit))
        }
        get("promotions/:promotion") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await promotions.show(try context.id("promotion", of: Promotion.self)))
        }
        post("promotions/:promotion/cancel", .operator_) { _, context, caller in
            try .json(try await promotions.cancel(try context.id("promotion", of: Promotion.self), by: caller.actor))
        }
    }

    func addDrift(_ drifts: Drifts) {
        get("environments/:environment/drift") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await drifts.show(try context.part("environment")))
        }
        post("environments/:environment/drift", .operator_) { _, context, _ in
            try .json(try await drifts.look(try context.part("environment")))
        }
        post("environments/:environment/drift/:finding/adopt", .operator_) { _, context, caller in
            try .json(
                try await drifts.adopt(try context.part("finding"), of: try context.part("environment"), by: caller.actor))
        }
        post("environments/:environment/drift/:finding/revert", .operator_) { _, context, caller in
            try .json(
                try await drifts.revert(try context.part("finding"), of: try context.part("environment"), by: caller.actor))
        }
        put("environments/:environment/drift/:finding/suppression", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.SuppressDrift.self)
            return try .json(
                try await drifts.suppress(
                    try context.part("finding"), of: try context.part("environment"), wanted, by: caller.actor))
        }
        delete("environments/:environment/drift/:finding/suppression", .operator_) { _, context, caller in
            try .json(
                try await drifts.unsuppress(try context.part("finding"), of: try context.part("environment"), by: caller.actor))
        }
    }
}
