import AsyncHTTPClient
import Logging
import Synchronization

/// One HTTP client, made for one certificate. It is closed when it has been retired and its last
/// exchange has ended, so that a renewal does not cut a poll off.
final class ClientGeneration: Sendable {
    let client: HTTPClient
    private let state = Mutex(State())

    private struct State {
        var exchanges = 0
        var isRetired = false
        var isClosed = false

        /// Whether the caller is the one who closes.
        mutating func claimClosing() -> Bool {
            guard isRetired, exchanges == 0, !isClosed else { return false }
            isClosed = true
            return true
        }
    }

    init(_ client: HTTPClient) { self.client = client }

    /// `false` once the generation is closed: take the current one.
    func enter() -> Bool {
        state.withLock {
            if $0.isClosed { return false }
            $0.exchanges += 1
            return true
        }
    }

    func leave() async {
        let closes = state.withLock {
            $0.exchanges -= 1
            return $0.claimClosing()
        }
        if closes { await close() }
    }

    /// No new exchanges; closes at once or after the last.
    func retire() async {
        let closes = state.withLock {
            $0.isRetired = true
            return $0.claimClosing()
        }
        if closes { await close() }
    }

    private func close() async {
        // Its only error says that it was shut down already, which the state above rules out.
        do { try await client.shutdown() } catch { assertionFailure("\(error)") }
    }
}
