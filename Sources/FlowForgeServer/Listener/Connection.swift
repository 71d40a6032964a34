internal import FlowForgeFleet
internal import NIOCore
internal import Synchronization

/// One TLS connection: who the peer is, read once at the handshake, and whether it is still there.
final class Connection: Sendable {
    /// The connection whose request the current Swift task serves.
    @TaskLocal static var current: Connection?

    private struct State {
        var peer: Peer = .anonymous
        var isClosed = false
        var watchers: [Int: @Sendable () -> Void] = [:]
        var nextWatcher = 0
    }

    enum Peer: Sendable {
        /// No client certificate was shown.
        case anonymous
        /// A certificate of our CA that is no agent's.
        case unrecognized
        case agent(AgentCertificate)
    }

    private let channel: (any Channel)?
    private let state = Mutex(State())

    let limits: ConnectionLimits

    init(channel: (any Channel)?, limits: ConnectionLimits) {
        self.channel = channel
        self.limits = limits
    }

    var peer: Peer { state.withLock { $0.peer } }

    func identify(_ peer: Peer) { state.withLock { $0.peer = peer } }

    /// The peer is gone, or has said that it will send nothing more.
    func close() {
        let watchers = state.withLock { state in
            state.isClosed = true
            defer { state.watchers = [:] }
            return state.watchers.values.map(\.self)
        }
        for watcher in watchers { watcher() }
    }

    /// Gives the connection up a second after a refusal, so that the rest of a body that nobody wants
    /// is not read to its end. Not at once: a client that is still sending would see a broken
    /// connection instead of the answer (RFC 9112, section 9.6).
    func closeSoon() {
        guard let channel else { return }
        channel.eventLoop.scheduleTask(in: .seconds(1)) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    /// Runs `operation` and cancels it when the peer goes away: a request that is being held must not
    /// outlive its client. Hummingbird's own `consumeWithCancellationOnInboundClose` does the same but
    /// gives up the connection after each request, and with it a TLS handshake a poll.
    static func cancellingWhenClosed<Value: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard let current else { return try await operation() }
        return try await current.cancellingWhenClosed(operation)
    }

    /// Runs `action` when the peer goes away, at once if it is gone, unless the watch ends before.
    func whenClosed(_ action: @escaping @Sendable () -> Void) -> Watch? {
        let number: Int? = state.withLock { state in
            if state.isClosed { return nil }
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = action
            return state.nextWatcher
        }
        if let number { return Watch(connection: self, number: number) }
        action()
        return nil
    }

    struct Watch: Sendable {
        fileprivate let connection: Connection
        fileprivate let number: Int

        func end() { _ = connection.state.withLock { $0.watchers.removeValue(forKey: number) } }
    }

    private func cancellingWhenClosed<Value: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (closed, continuation) = AsyncStream<Void>.makeStream()
        let watch = whenClosed { continuation.finish() }
        defer { watch?.end() }
        return try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await operation() }
            group.addTask {
                for await _ in closed {}
                try Task.checkCancellation()
                throw ClientGone()
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }
}

/// The client went away before it had its answer: nobody reads it, and nothing is wrong with us.
struct ClientGone: Error {}
