public import FlowForgeProtocol
public import Foundation

/// Which of an agent's processes speaks for it, of those that have been heard.
///
///     (none) ──first poll──▶ current ──first poll of another──▶ former
///
/// A process that was never heard before takes over: it started later, after a stop or a crash. A former
/// one that goes on polling is another machine with the same key and state, e.g. a cloned VM; so is one
/// that repeats sequence numbers, a machine that was resumed twice from one memory image. A single such
/// poll proves nothing, for a cut line may deliver an old request late.
public struct ProcessWatch: Sendable {
    public enum Verdict: Hashable, Sendable {
        case speaks
        /// As `speaks`, and another did before.
        case takesOver
        /// Another poll that came before must be newer than this one.
        case late
        /// It is not late deliveries any more.
        case cloned
    }

    /// Late polls within ``window`` that are borne.
    static let tolerated = 2
    static let window = 60.0
    /// Of former processes that are remembered.
    static let remembered = 8

    private var current: ID<AgentProcess>?
    private var sequence: Int64 = 0
    private var former: [ID<AgentProcess>] = []
    private var late: [Date] = []

    public init() {}

    public mutating func polled(by process: ID<AgentProcess>, sequence number: Int64, at now: Date) -> Verdict {
        if process == current, number > sequence {
            sequence = number
            return .speaks
        }
        guard process == current || former.contains(process) else {
            let isFirst = current == nil
            if let current { former = (former + [current]).suffix(Self.remembered) }
            current = process
            sequence = number
            late = []
            return isFirst ? .speaks : .takesOver
        }
        late = late.filter { now.timeIntervalSince($0) < Self.window } + [now]
        return late.count > Self.tolerated ? .cloned : .late
    }

    /// Whether a younger process has taken over from this one.
    public func isFormer(_ process: ID<AgentProcess>) -> Bool { former.contains(process) }
}
