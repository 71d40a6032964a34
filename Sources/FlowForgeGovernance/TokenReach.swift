internal import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore

/// Which environment something belongs to that a request names by its id.
public struct TokenReach: Sendable {
    /// What an id may be of.
    public enum Noun: Sendable {
        case plan
        /// A plan that is to be applied: what it comes from is touched, too.
        case applied
        case promotion, run, trigger, backfill
    }

    private let store: Store

    public init(store: Store) { self.store = store }

    /// Empty when there is no such thing. A plan's digest may be shortened: then of each that begins so.
    public func environments(of noun: Noun, _ text: String) async throws -> Set<String> {
        try await store.read { session in
            switch noun {
            case .plan, .applied:
                let digits = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
                let plans = try session.plans.matching(prefix: "sha256:\(digits)", limit: 2).map(\.plan)
                return Set(plans.map(\.environment) + (noun == .applied ? plans.compactMap(\.source) : []))
            case .promotion:
                return Set(try ID<Promotion>(text).flatMap { try session.promotions.find($0) }.map { [$0.environment] } ?? [])
            case .run: return Set(try ID<Run>(text).flatMap { try session.runs.find($0) }.map { [$0.environment] } ?? [])
            case .trigger:
                return Set(try ID<Trigger>(text).flatMap { try session.triggers.find($0) }.map { [$0.environment] } ?? [])
            case .backfill:
                return Set(try ID<Backfill>(text).flatMap { try session.backfills.find($0) }.map { [$0.environment] } ?? [])
            }
        }
    }
}
