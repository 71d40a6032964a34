import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeIntegrations
import FlowForgeProtocol
import Foundation
import Hummingbird
import NIOCore

/// Where other systems post answers about gates: signed instead of signed in, on the operator listener.
enum GateRoutes {
    static func add(to router: Router<OperatorContext>, _ callbacks: GateCallbacks) {
        router.post("hooks/v1/gates/:digest/:gate") { request, context -> Response in
            let body = try await request.collected(upTo: GateCallbacks.largestBody)
            let delivery = try WebhookDelivery(
                id: request.single("webhook-id"), timestamp: request.single("webhook-timestamp"),
                signature: request.single("webhook-signature"), body: Data(body.readableBytesView))
            return try .json(
                try await callbacks.deliver(delivery, plan: try context.part("digest"), gate: try context.part("gate")))
        }
    }
}

extension OperatorRoutes {
    func addGateSecrets(_ callbacks: GateCallbacks) {
        get("environments/:environment/gates/:gate/secret", .owner) { request, context, caller in
            _ = try OperatorQuery(request)
            return try .json(
                try await callbacks.secret(
                    environment: try context.part("environment"), gate: try context.part("gate"), by: caller.actor))
        }
    }
}
