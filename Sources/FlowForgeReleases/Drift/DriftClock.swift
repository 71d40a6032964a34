internal import FlowForgeDomain
public import FlowForgeStore
public import Logging
public import ServiceLifecycle

/// Looks for drift in every environment that has not expired, one after the other, again and again.
public struct DriftClock: Service {
    private let store: Store
    private let drifts: Drifts
    private let every: Duration
    private let logger: Logger
    private let clock: any Clock<Duration>

    public init(
        store: Store, drifts: Drifts, every: Duration, logger: Logger, clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.store = store
        self.drifts = drifts
        self.every = every
        self.logger = logger
        self.clock = clock
    }

    /// Until graceful shutdown or cancellation.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while true {
                do { try await clock.sleep(for: every) } catch { return }
                await lookAtAll()
            }
        }
    }

    func lookAtAll() async {
        var last: String?
        while !Task.isCancelled {
            let after = last
            do {
                let next = try await store.read { session in
                    try session.environments.list(after: after, limit: 1).first.map { ($0.name, $0.isExpired(at: session.now)) }
                }
                guard let (name, isExpired) = next else { return }
                last = name
                if !isExpired { _ = try await drifts.look(name) }
            } catch {
                logger.error("looking for drift failed", metadata: ["environment": "\(last ?? "")", "error": "\(error)"])
                if last == after { return }
            }
        }
    }
}
