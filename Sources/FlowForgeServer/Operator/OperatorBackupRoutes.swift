import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeOrchestration
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addBackups(_ backups: Backups) {
        get(
            "backups", .owner,
            use: platform("backups") { request, _, _ in
                _ = try OperatorQuery(request)
                return try .json(try await backups.list())
            })
        post(
            "backups", .owner,
            use: platform("backups") { _, _, caller in try .created(true, try await backups.make(by: caller.actor)) })
    }

    func addRetention(_ pruner: Pruner) {
        get(
            "retention", .operator_,
            use: platform("retention's figures") { request, _, _ in
                _ = try OperatorQuery(request)
                return try .json(try await pruner.due())
            })
    }
}
