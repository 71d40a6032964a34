import FlowForgeClient
import FlowForgeProtocol

/// How a command ended; documented in docs/cli.md and in the root's help, and never renumbered.
enum ExitStatus: Int32, CaseIterable {
    case ok = 0
    /// The run failed, the bundle is not valid, or something else did not work out.
    case failed = 1
    /// The command line, or a value in it, is wrong.
    case usage = 2
    case notFound = 3
    /// Not logged in, or without the role that it needs.
    case refused = 4
    /// It clashes with what is there.
    case conflict = 5
    /// No answer from the control plane, or one that said "not now"; it may work later.
    case unavailable = 6
    /// The run was cancelled.
    case cancelled = 7
    /// Ctrl-C ended the watching, not the run.
    case interrupted = 130
    /// Whoever read the output went away.
    case outputClosed = 141

    // `flowforge plan` has codes of its own, which pipelines branch on; its errors are all 1
    // (docs/decisions/0040-exit-codes-of-plan.md).
    static let planChanges = ExitStatus.usage
    static let planDrift = ExitStatus.notFound
    static let planDenied = ExitStatus.refused

    init(_ code: ErrorCode) {
        self =
            switch code {
            case .invalidRequest: .usage
            case .notFound: .notFound
            case .unauthenticated, .forbidden: .refused
            case .alreadyExists, .conflict, .bundleYanked: .conflict
            case .busy, .requestTimeout, .shuttingDown, .storageFull, .internalError: .unavailable
            default: .failed
            }
    }

    init(_ kind: ClientError.Kind) {
        self =
            switch kind {
            case .invalidAddress, .invalidTrust: .usage
            case .nameNotFound, .unreachable, .notTrusted, .timedOut, .interrupted, .unexpectedAnswer: .unavailable
            case .unreadableFile: .failed
            }
    }

    init(_ state: RunState) {
        self =
            switch state {
            case .succeeded: .ok
            case .cancelled, .cancelling: .cancelled
            default: .failed
            }
    }
}

/// A command that cannot go on for a reason of its own, said like the API says its refusals.
struct CommandError: Error {
    var status: ExitStatus
    var code: ErrorCode
    var message: String
    var hint: String?

    init(_ status: ExitStatus, _ code: ErrorCode, _ message: String, hint: String? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
    }
}

/// Everything was said; only the status is left to give.
struct Ended: Error {
    var status: ExitStatus
}
