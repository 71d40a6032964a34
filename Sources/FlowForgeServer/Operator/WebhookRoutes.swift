import FlowForgeDomain
import FlowForgeOrchestration
import FlowForgeProtocol
import Foundation
import Hummingbird
import NIOCore

/// Where deliveries of webhooks come in: signed instead of signed in, on the operator listener.
enum WebhookRoutes {
    static func add(to router: Router<OperatorContext>, _ webhooks: Webhooks) {
        router.post("hooks/v1/:trigger") { request, context -> Response in
            let body = try await request.collected(upTo: Webhooks.largestBody)
            let delivery = try WebhookDelivery(
                id: request.single("webhook-id"), timestamp: request.single("webhook-timestamp"),
                signature: request.single("webhook-signature"), body: Data(body.readableBytesView))
            let receipt = try await webhooks.deliver(delivery, to: try context.part("trigger"))
            return try .json(receipt, status: receipt.duplicate ? .ok : .accepted)
        }
    }
}

extension Request {
    /// The header, if it is there once.
    func single(_ name: String) -> String? {
        let values = headers.filter { $0.name.canonicalName == name }.map(\.value)
        return values.count == 1 ? values[0] : nil
    }
}
