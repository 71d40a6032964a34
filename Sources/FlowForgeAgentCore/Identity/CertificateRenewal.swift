import FlowForgeProtocol
public import Foundation
public import Logging
public import ServiceLifecycle

/// Replaces the certificate at half its life ± 10 %, or when the control plane asks for it, with a
/// new key each time. A failed renewal is tried again with ``Backoff`` until the certificate ends.
/// One that cannot be written down is used all the same, and written when the disk allows it; an agent
/// that starts before that goes on with the old one.
public struct CertificateRenewal: Service {
    /// Lets others ask for a renewal now.
    public struct Request: Sendable {
        fileprivate let channel = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        public init() {}
        public func fire() { channel.continuation.yield() }
    }

    let folder: IdentityFolder
    let link: any RenewingLink
    let request: Request
    let backoff: Backoff
    let logger: Logger
    /// From 0.9 to 1.1: which part of half the life this agent waits.
    let jitter: @Sendable () -> Double
    let now: @Sendable () -> Date
    let sleep: @Sendable (Duration) async throws -> Void

    public init(
        folder: IdentityFolder, link: any RenewingLink, request: Request = Request(), backoff: Backoff = Backoff(),
        logger: Logger, jitter: @escaping @Sendable () -> Double = { .random(in: 0.9...1.1) },
        now: @escaping @Sendable () -> Date = Date.init,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.folder = folder
        self.link = link
        self.request = request
        self.backoff = backoff
        self.logger = logger
        self.jitter = jitter
        self.now = now
        self.sleep = sleep
    }

    /// Ends on shutdown. Throws `LinkError.certificateExpired` when the certificate has ended, or a
    /// refusal that only a person can lift.
    public func run() async throws {
        try await cancelWhenGracefulShutdown {
            do { try await loop() } catch is CancellationError { return }
        }
    }

    private func loop() async throws {
        var (identity, isSaved) = (try folder.load(), true)
        while true {
            try await wait(for: identity, isSaved: isSaved)
            (identity, isSaved) = try await renew(identity)
        }
    }

    /// Until half of the life is over or somebody asks; meanwhile the identity is written down if it is not yet.
    private func wait(for identity: Identity, isSaved: Bool) async throws {
        let due = identity.granted.addingTimeInterval(identity.life / 2 * jitter())
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                // In steps, because a wall clock may be set while we sleep.
                while true {
                    let left = due.timeIntervalSince(now())
                    if left <= 0 { return true }
                    try await sleep(.seconds(min(left, 3600)))
                }
            }
            group.addTask {
                for await _ in request.channel.stream { return true }
                return true
            }
            if !isSaved {
                group.addTask {
                    try await saveAtLast(identity)
                    return false
                }
            }
            while let isOver = try await group.next(), !isOver {}
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    private func saveAtLast(_ identity: Identity) async throws {
        var backoff = backoff
        while true {
            try await sleep(backoff.next())
            if save(identity) { return }
        }
    }

    private func save(_ identity: Identity) -> Bool {
        do {
            try folder.save(identity)
            return true
        } catch {
            logger.error("the renewed certificate cannot be saved; it is used from memory", metadata: ["reason": "\(error)"])
            return false
        }
    }

    private func renew(_ identity: Identity) async throws -> (Identity, isSaved: Bool) {
        var backoff = backoff
        while true {
            do {
                let key = MachineKey()
                let grant = try await link.renew(AgentAPI.RenewRequest(csr: try key.request(name: identity.name)))
                let next = try Identity(grant, key: key, name: identity.name, url: identity.url, granted: now())
                // On the disk first: a crash after it starts with the new one, which is just as good. Without it
                // the agent must not ask again and again: each answer is a certificate more.
                let isSaved = save(next)
                try await link.adopt(next)
                logger.info("certificate renewed", metadata: ["not_after": "\(next.notAfter.ISO8601Format())"])
                return (next, isSaved)
            } catch is CancellationError {
                throw CancellationError()
            } catch let error as LinkError where error.isFinal {
                throw error
            } catch {
                let delay = backoff.next()
                logger.warning(
                    "certificate not renewed",
                    metadata: [
                        "reason": "\(error)", "retry_s": "\(delay.inSeconds)",
                        "not_after": "\(identity.notAfter.ISO8601Format())",
                    ])
                try await sleep(delay)
            }
        }
    }
}

/// A link whose certificate can be replaced.
public protocol RenewingLink: ControlPlane {
    func adopt(_ identity: Identity) async throws
}

extension ControlPlaneLink: RenewingLink {}
