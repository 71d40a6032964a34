/// Where a run stands. `succeeded`, `failed` and `cancelled` are final.
public enum RunState: String, WireEnum {
    case queued, running, cancelling, succeeded, failed, cancelled
    case unknown
    public var isFinal: Bool { [.succeeded, .failed, .cancelled].contains(self) }
}

/// Why a run was made: by hand, by a trigger of that kind, as a part of a backfill, or from an
/// earlier run.
public enum RunCause: String, WireEnum {
    case manual, schedule, upstream, asset, file, webhook, backfill, rerun
    case unknown
}

/// Why a run is ended before its tasks are done.
public enum RunEndReason: String, WireEnum {
    /// Somebody asked for it.
    case cancelled
    /// It took longer than its flow allows.
    case timeout
    case unknown
}

/// Where one task of a run stands. `succeeded`, `failed`, `cancelled` and `skipped` (something
/// upstream did not succeed) are final.
public enum TaskState: String, WireEnum {
    case waiting, ready, leased, running, succeeded, failed, cancelled, skipped
    case unknown
    public var isFinal: Bool { [.succeeded, .failed, .cancelled, .skipped].contains(self) }
}

/// Where one try at a task stands. `lost`: its lease lapsed without an accepted outcome.
public enum AttemptState: String, WireEnum {
    case leased, running, succeeded, failed, timedOut, cancelled, lost
    case unknown
    public var isFinal: Bool { ![.leased, .running, .unknown].contains(self) }
}

/// How an agent says that an attempt ended. `lost`: it died with the agent, which has found out at its
/// next start; a control plane that does not know the word counts a failure.
public enum Outcome: String, WireEnum {
    case succeeded, failed, timedOut, cancelled, lost
    case unknown
}

/// Presence of an agent: `offline` when its last successful poll is too old, `deaf` when it polls and
/// does not start what it is given.
public enum AgentState: String, WireEnum {
    case online, offline, deaf, draining, revoked
    case unknown
}

/// What a principal may do: a viewer reads, an operator also runs and deploys, an owner also manages
/// agents, environments and tokens.
public enum Role: String, WireEnum {
    case viewer, operator_ = "operator", owner
    case unknown

    /// `unknown` may nothing.
    public func includes(_ other: Role) -> Bool { rank >= other.rank && rank > 0 }

    private var rank: Int {
        switch self {
        case .unknown: 0
        case .viewer: 1
        case .operator_: 2
        case .owner: 3
        }
    }
}

/// Whether a failed check fails the task or is only recorded.
public enum Severity: String, WireEnum {
    case warn, fail
    case unknown
}
