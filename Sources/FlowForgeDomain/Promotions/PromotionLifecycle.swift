public import FlowForgeProtocol

/// Where the change of an environment stands, from the plan to its end.
///
/// ```
///            gates open                         its turn                     every step done
/// waiting ───────────────▶ queued ───────────────────────▶ applying ───────────────────────────▶ succeeded
///    │ ▲                     │ a gate no longer passes        │ a step failed, or it was cancelled
///    │ └─────────────────────┘                                ▼
///    │ denied, cancelled, expired                          undoing ────────────────────────────▶ undone
///    ▼                                                                    every step undone
/// refused, cancelled, expired
/// ```
///
/// A machine as a value: it takes an event and says what it comes to. What is done in a state is written
/// in the same transaction as the state, so a crash leaves one of these states and nothing between.
public enum PromotionState: String, WireEnum {
    /// For gates.
    case waiting
    /// For its turn: one change of an environment is applied at a time.
    case queued
    /// Step by step, as ``PromotionStep`` orders them.
    case applying
    /// The steps that were done, in reverse.
    case undoing
    case succeeded
    /// As it was before.
    case undone
    /// A gate denied it, or the world had moved.
    case refused
    case cancelled, expired
    case unknown

    public var isFinal: Bool { [.succeeded, .undone, .refused, .cancelled, .expired].contains(self) }
}

/// What a change is for.
public enum PromotionKind: String, WireEnum {
    /// A plan of an environment, applied by hand.
    case apply
    case promote, demote, rollback
    case unknown
}

/// The steps of a change, in the order in which they are done. Each is one transaction with its entry in
/// the journal, or waits for something that others do.
public enum PromotionStep: String, WireEnum {
    /// The triggers of the bundle in the environment start nothing more.
    case hold
    /// Its runs that go on are waited for.
    case drain
    /// The release, its configuration, pointers, schedules and the catalog are those of the plan.
    case `switch`
    /// Physical: the flows run on the environment's agents. Waits for their end.
    case compute
    /// The checks of what the runs made, and the pointers, are as the plan wants them.
    case verify
    /// The triggers are let go on.
    case release
    case unknown

    /// The steps of a mode.
    public static func steps(of mode: ReleaseMode, computes: Bool) -> [PromotionStep] {
        [.hold, .drain, .switch] + (mode == .physical && computes ? [.compute] : []) + [.verify, .release]
    }
}

public struct PromotionLifecycle: Hashable, Sendable {
    public private(set) var state: PromotionState
    /// The steps that are done, and not undone.
    public private(set) var done: [PromotionStep]
    public let steps: [PromotionStep]

    public init(state: PromotionState = .waiting, done: [PromotionStep] = [], steps: [PromotionStep]) {
        self.state = state
        self.done = done
        self.steps = steps
    }

    public enum Action: Hashable, Sendable {
        case perform(PromotionStep)
        case undo(PromotionStep)
        /// Something else has to happen first.
        case wait
        case nothing
    }

    /// What is to be done now.
    public var next: Action {
        switch state {
        case .waiting, .queued: .wait
        case .applying: steps.first { !done.contains($0) }.map(Action.perform) ?? .nothing
        case .undoing: done.last.map(Action.undo) ?? .nothing
        case .succeeded, .undone, .refused, .cancelled, .expired, .unknown: .nothing
        }
    }

    /// Returns whether that changes the state.
    public mutating func judged(_ standing: GateStanding) -> Bool {
        switch (state, standing) {
        case (.waiting, .open): state = .queued
        case (.waiting, .denied), (.queued, .denied): state = .refused
        case (.queued, .pending): state = .waiting
        default: return false
        }
        return true
    }

    public mutating func begin() -> Bool {
        guard state == .queued else { return false }
        state = .applying
        return true
    }

    public mutating func performed(_ step: PromotionStep) -> Bool {
        guard next == .perform(step) else { return false }
        done.append(step)
        if done.count == steps.count { state = .succeeded }
        return true
    }

    /// A step that could not be done: what was done before it is undone.
    public mutating func failed() -> Bool {
        guard state == .applying else { return false }
        state = done.isEmpty ? .undone : .undoing
        return true
    }

    public mutating func undid(_ step: PromotionStep) -> Bool {
        guard next == .undo(step) else { return false }
        done.removeLast()
        if done.isEmpty { state = .undone }
        return true
    }

    /// Before it is applied it ends; while it is, it is undone.
    public mutating func cancel() -> Bool {
        switch state {
        case .waiting, .queued: state = .cancelled
        case .applying: return failed()
        default: return false
        }
        return true
    }

    public mutating func refuse() -> Bool { end(.refused) }
    public mutating func expire() -> Bool { end(.expired) }

    private mutating func end(_ end: PromotionState) -> Bool {
        guard state == .waiting || state == .queued else { return false }
        state = end
        return true
    }
}
