internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Webhook triggers: makes their secrets, and takes deliveries in. A delivery with a good signature is a
/// tick whose key is its id: delivered again, it changes nothing.
public struct Webhooks: Sendable {
    /// How far a delivery's timestamp may be from now, either way: a copy that is sent later is refused.
    public static let tolerance = 300.0
    /// How long the secret before a new one may hold.
    public static let longestOverlap = 30 * 86_400
    public static let largestBody = 64 << 10

    private let store: Store
    private let wakeUps: WakeUps
    private let keys: WebhookKeys
    private let refusals: RefusalTrail

    public init(store: Store, wakeUps: WakeUps, keys: WebhookKeys, refusals: RefusalTrail) {
        self.store = store
        self.wakeUps = wakeUps
        self.keys = keys
        self.refusals = refusals
    }

    /// Makes a new secret, which is shown this once. The one before holds for `keepOldSeconds` more.
    public func makeSecret(
        _ id: ID<Trigger>, _ request: OperatorAPI.MakeWebhookSecret, by actor: Actor
    ) async throws -> OperatorAPI.WebhookSecret {
        let keep = request.keepOldSeconds ?? 0
        guard (0...Self.longestOverlap).contains(keep) else {
            throw APIError(
                .invalidRequest, "keepOldSeconds: from 0 to \(Self.longestOverlap) is allowed", hint: "give 3600 for an hour")
        }
        let trigger = try await store.write { session in
            var trigger = try session.triggers.required(id)
            guard trigger.kind == .webhook else {
                throw APIError(.invalidRequest, "trigger '\(trigger.name)' is no webhook", hint: "only webhooks have a secret")
            }
            trigger.secretSerial += 1
            let keeps = trigger.secretSerial > 1 && keep > 0
            trigger.oldSecretUntil = keeps ? session.now.addingTimeInterval(Double(keep)) : nil
            try session.triggers.update(trigger)
            try session.audit.append(actor: actor, action: "trigger.secret", subject: id.description, detail: trigger.place)
            return trigger
        }
        return OperatorAPI.WebhookSecret(
            trigger: id, secret: keys.secret(id, serial: trigger.secretSerial), path: TriggerView.path(id),
            oldUntil: trigger.oldSecretUntil)
    }

    /// Takes a delivery in. What may be forged is refused in one way, whatever is wrong with it: whether
    /// there is such a trigger is nobody's business.
    public func deliver(_ delivery: WebhookDelivery, to text: String) async throws -> OperatorAPI.WebhookReceipt {
        do {
            return try await accept(delivery, to: text)
        } catch let error as APIError where error.code == .unauthenticated {
            await refusals.record(
                actor: .system("webhook"), action: "trigger.deliver", subject: String(text.prefix(64)), error: error)
            throw error
        }
    }

    private func accept(_ delivery: WebhookDelivery, to text: String) async throws -> OperatorAPI.WebhookReceipt {
        let id = ID<Trigger>(text)
        let (found, now) = try await store.read { session in (try id.flatMap { try session.triggers.find($0) }, session.now) }
        // Unknown ones cost the same as known ones.
        let trigger = found ?? TriggerRow.absent
        let isOldGood = trigger.oldSecretUntil.map { now < $0 } ?? false
        let isSigned = keys.signs(
            delivery, trigger.id, serials: [trigger.secretSerial, isOldGood ? trigger.secretSerial - 1 : trigger.secretSerial])
        guard let found, isSigned, found.kind == .webhook, found.isLive, found.secretSerial > 0 else {
            throw APIError(
                .unauthenticated, "the delivery was not accepted",
                hint: "check the address and the secret; 'flowforge trigger secret' makes a new one")
        }
        let age = now.timeIntervalSince1970 - Double(delivery.timestamp)
        guard abs(age) <= Self.tolerance else {
            throw APIError(
                .unauthenticated, "webhook-timestamp is \(Int(abs(age))) s \(age > 0 ? "ago" : "ahead")",
                hint: "a delivery is signed anew each time it is sent; compare the clocks")
        }
        let parameters = try Self.parameters(found.specification.webhook?.parameters ?? [], from: delivery.body)
        return try await store.write { session in
            var events = TriggerEvents(session: session)
            // It may have been paused or replaced since it was read.
            guard let trigger = try session.triggers.find(found.id) else {
                throw StoreError.corrupt("trigger \(found.id) is gone")
            }
            var tick = NewTick(trigger: trigger.id, key: "delivery \(delivery.id)", outcome: .waiting)
            tick.dueAt = session.now
            tick.parameters = parameters
            tick.cause = ["delivery": .string(delivery.id)]
            let isNew = try events.note(tick, of: trigger)
            events.wake(wakeUps)
            guard let stored = try session.ticks.find(trigger: trigger.id, key: tick.key) else {
                throw StoreError.failed("delivery '\(delivery.id)' was not stored")
            }
            return OperatorAPI.WebhookReceipt(duplicate: !isNew, outcome: stored.outcome, run: stored.run)
        }
    }

    /// The members of a JSON object that the trigger takes as parameters.
    private static func parameters(_ names: [String], from body: Data) throws -> [String: JSONValue] {
        guard !names.isEmpty, !body.isEmpty else { return [:] }
        guard let members = (try? WireCoding.decode(JSONValue.self, from: body))?.object else {
            throw APIError(
                .invalidRequest, "the body is not a JSON object",
                hint: "send {\(names.map { "\"\($0)\": …" }.joined(separator: ", "))}")
        }
        var parameters: [String: JSONValue] = [:]
        for name in names {
            switch members[name] {
            case nil, .null: break
            case .object, .array:
                throw APIError(
                    .invalidRequest, "\(name): neither text, a number nor a boolean",
                    hint: "give a JSON string, number, true or false")
            case let value?: parameters[name] = value
            }
        }
        return parameters
    }
}

extension TriggerRow {
    /// Stands in for a trigger that is not there.
    fileprivate static let absent = TriggerRow(
        id: .make(at: .distantPast), environment: "", bundle: "", flow: "",
        specification: TriggerSpec(name: "", webhook: WebhookSpec()), pool: "", createdAt: .distantPast)
}
