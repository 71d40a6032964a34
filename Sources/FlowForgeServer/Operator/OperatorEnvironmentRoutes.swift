import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import FlowForgeReleases
import Hummingbird

extension OperatorRoutes {
    func addEnvironments(_ environments: Environments) {
        get("environments") { request, _, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(try await environments.list(after: page.after, limit: page.limit))
        }
        post("environments", .owner) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.CreateEnvironment.self)
            let result = try await environments.create(wanted, by: caller.actor)
            return try .created(result.created, result.environment)
        }
        get("environments/:environment") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await environments.show(try context.part("environment")))
        }
        put("environments/:environment", .owner) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.ApplyEnvironment.self)
            let result = try await environments.apply(wanted, name: try context.part("environment"), by: caller.actor)
            return try .created(result.created && wanted.dryRun != true, result)
        }
        put("environments/:environment/overrides/:variable", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.OverrideVariable.self)
            return try .json(
                try await environments.override(
                    try context.part("variable"), of: try context.part("environment"), with: wanted, by: caller.actor))
        }
        delete("environments/:environment/overrides/:variable", .operator_) { _, context, caller in
            try .json(
                try await environments.override(
                    try context.part("variable"), of: try context.part("environment"), with: nil, by: caller.actor))
        }
    }

    func addReleases(_ deployments: Deployments) {
        get("environments/:environment/releases") { request, context, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(
                try await deployments.list(
                    environment: try context.part("environment"), after: page.after, limit: page.limit))
        }
        post("environments/:environment/releases", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.Deploy.self)
            let result = try await deployments.deploy(
                wanted, environment: try context.part("environment"), by: caller.actor)
            return try .created(result.created, result.release)
        }
    }
}
