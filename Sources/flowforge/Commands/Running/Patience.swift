import FlowForgeClient
import FlowForgeProtocol

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
