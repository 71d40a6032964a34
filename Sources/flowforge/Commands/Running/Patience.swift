import FlowForgeClient
import FlowForgeProtocol

/// How long to wait between two looks: longer and longer while nothing moves, as at a gate that waits for days.
struct Beat {
    static let shortest = Duration.milliseconds(300)
    static let longest = Duration.seconds(5)
    private var pause = Beat.shortest

    mutating func next(moves: Bool) -> Duration {
        pause = moves ? Self.shortest : min(pause * 2, Self.longest)
        return pause
    }
}

/// How long a command that follows something puts up with a control plane that does not answer, as
/// while it restarts: 30 s in all, then the error stands.
struct Patience {
    private var failures = 0

    /// Waits, and says whether to ask again.
    mutating func bears(_ error: any Error, _ console: Console) async throws -> Bool {
        guard Self.mayPass(error), failures < 12 else { return false }
        if failures == 0 { console.note("the control plane does not answer; trying again") }
        failures += 1
        try await Task.sleep(for: .milliseconds(min(3000, 250 << failures)))
        return true
    }

    private static func mayPass(_ error: any Error) -> Bool {
        switch error {
        case let error as APIError: error.isRetryable
        case let error as ClientError: [.unreachable, .interrupted, .timedOut].contains(error.kind)
        default: false
        }
    }
}
