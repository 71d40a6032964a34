public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// What people do with limits of concurrency.
public struct Limits: Sendable {
    private let store: Store
    private let wakeUps: WakeUps

    public init(store: Store, wakeUps: WakeUps) {
        self.store = store
        self.wakeUps = wakeUps
    }

    /// By key.
    public func list() async throws -> OperatorAPI.Page<OperatorAPI.LimitView> {
        try await store.read { session in
            OperatorAPI.Page(
                items: try session.limits.list().filter { try Self.sees($0.key, session) }.map { try Self.view($0, in: session) })
        }
    }

    /// Attempts that go on count from the start; where they are more than `slots` none is ended, and
    /// none begins until enough have.
    public func set(_ key: String, to slots: Int, by actor: Actor) async throws -> OperatorAPI.LimitView {
        let key = try Self.key(key)
        guard (0...1_000_000).contains(slots) else {
            throw APIError(.invalidRequest, "slots: \(slots) is not from 0 to 1000000", hint: "0 lets nothing begin")
        }
        return try await changing(key) { session in
            guard try Self.sees(key, session) else {
                guard key.pool != nil else { throw APIError.needsPlatform("limits of resources") }
                throw APIError(.notFound, "there is no \(key)", hint: "`flowforge agent list` shows the pools of the agents")
            }
            guard session.scope.isWholeOrganisation else { throw APIError.needsOrganisation("limits") }
            try session.limits.set(key, slots: slots, by: actor.description)
            try session.audit.append(
                actor: actor, action: "limit.set", subject: key.description, detail: ["slots": .integer(Int64(slots))])
            guard let limit = try session.limits.find(key) else { throw StoreError.failed("limit \(key) was not stored") }
            return try Self.view(limit, in: session)
        }
    }

    public func remove(_ key: String, by actor: Actor) async throws {
        let key = try Self.key(key)
        try await changing(key) { session in
            guard try Self.sees(key, session), session.scope.isWholeOrganisation, try session.limits.remove(key) else {
                throw APIError(.notFound, "there is no limit '\(key)'", hint: "see 'flowforge limit list'")
            }
            try session.audit.append(actor: actor, action: "limit.remove", subject: key.description)
        }
    }

    /// Who waited for the limit may go on as far as there is room after it.
    private func changing<Value: Sendable>(
        _ key: LimitKey, _ change: @Sendable @escaping (Session) throws -> Value
    ) async throws -> Value {
        try await store.write { [wakeUps] session in
            let value = try change(session)
            var queue = TaskQueue(session: session)
            try queue.release(.limit(key))
            try queue.wakes.send(through: wakeUps, in: session)
            return value
        }
    }

    /// A pool's limit belongs with the pool; a resource's holds for every organisation's tasks.
    private static func sees(_ key: LimitKey, _ session: Session) throws -> Bool {
        if session.scope.isPlatform { return true }
        return try key.pool.map { try session.sees(pool: $0) } ?? false
    }

    private static func key(_ text: String) throws(APIError) -> LimitKey {
        guard let key = LimitKey(text) else {
            throw APIError(
                .invalidRequest, "'\(text.prefix(80))' is no limit", hint: "write pool:<name> or resource:<name>")
        }
        return key
    }

    private static func view(_ limit: LimitQueries.Limit, in session: Session) throws -> OperatorAPI.LimitView {
        OperatorAPI.LimitView(
            key: limit.key.description, slots: limit.slots, used: limit.used,
            waiting: try session.tasks.parked(on: .limit(limit.key)), setAt: limit.setAt, setBy: limit.setBy)
    }
}
