public import FlowForgeProtocol
public import Foundation

/// What a gate says about a plan at a time, and by what.
public struct GateVerdict: Hashable, Sendable, Codable {
    public enum State: String, WireEnum {
        case passed
        /// Something is still to come: an approval, time, an answer.
        case pending
        case failed
        case unknown
    }

    public var gate: String
    public var kind: String
    public var enforcement: GateSpec.Enforcement
    public var state: State
    /// One sentence.
    public var message: String
    /// What it is by: names, counts and percentages, never a row.
    public var evidence: [String: JSONValue]
    /// When it may change by itself.
    public var until: Date?
    /// Who overrode it, and why; of soft gates only.
    public var override: Override?

    public struct Override: Hashable, Sendable, Codable {
        public var by: String
        public var reason: String
        public var at: Date

        public init(by: String, reason: String, at: Date) {
            self.by = by
            self.reason = reason
            self.at = at
        }
    }

    public init(
        gate: String, kind: String, enforcement: GateSpec.Enforcement, state: State, message: String,
        evidence: [String: JSONValue] = [:], until: Date? = nil, override: Override? = nil
    ) {
        self.gate = gate
        self.kind = kind
        self.enforcement = enforcement
        self.state = state
        self.message = message
        self.evidence = evidence
        self.until = until
        self.override = override
    }

    /// Whether the change may not go on now.
    public var blocks: Bool { state != .passed && enforcement != .advisory && override == nil }
    /// Whether waiting is no use.
    public var denies: Bool { state == .failed && blocks }
}

extension [GateVerdict] {
    public var standing: GateStanding {
        if contains(where: \.denies) { return .denied }
        return contains(where: \.blocks) ? .pending : .open
    }
}

/// What all gates of a plan say together.
public enum GateStanding: String, WireEnum {
    case open, pending, denied
    case unknown
}
