import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeOrchestration
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addFlows(_ flows: Flows) {
        get("environments/:environment/flows") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await flows.list(environment: try context.part("environment")))
        }
        post("environments/:environment/flows/:flow/pause", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.PauseFlow.self)
            return try .json(
                try await flows.pause(
                    try context.part("flow"), in: try context.part("environment"), wanted, by: caller.actor))
        }
        post("environments/:environment/flows/:flow/resume", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.ResumeFlow.self)
            return try .json(
                try await flows.resume(
                    try context.part("flow"), in: try context.part("environment"), wanted, by: caller.actor))
        }
    }

    func addLimits(_ limits: Limits) {
        get("limits") { request, _, _ in
            _ = try OperatorQuery(request)
            return try .json(try await limits.list())
        }
        put("limits/:key", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.SetLimit.self)
            return try .json(try await limits.set(try context.part("key"), to: wanted.slots, by: caller.actor))
        }
        delete("limits/:key", .operator_) { _, context, caller in
            try await limits.remove(try context.part("key"), by: caller.actor)
            return Response(status: .noContent)
        }
    }
}
