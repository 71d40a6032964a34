public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging

/// Answers agents' polls: renews their leases, tells them what to end, and hands out ready tasks.
public struct Dispatcher: Sendable {
    private let store: Store
    private let wakeUps: WakeUps
    private let settings: OrchestrationSettings
    private let logger: Logger
    /// The same clock as the wake-ups'.
    private let now: @Sendable () -> ContinuousClock.Instant

    /// The most tasks that one answer assigns, whatever the agent asks.
    static let mostAssignments = 64
    /// The most leases that a poll may list.
    static let mostLeases = 4096
    /// In bytes, of each text that an agent says about itself.
    static let longestText = 1024

    public init(
        store: Store, wakeUps: WakeUps, settings: OrchestrationSettings = OrchestrationSettings(), logger: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.store = store
        self.wakeUps = wakeUps
        self.settings = settings
        self.logger = logger
        self.now = now
    }

    /// Answers at once when there is something to say; otherwise holds the poll up to `waitSeconds`
    /// (at most ``AgentAPI/longestPoll``), until there is, until the calling task is cancelled
    /// (`CancellationError`), or until the control plane shuts down.
    ///
    /// Each look is one transaction, so an assignment that is returned is claimed durably; one whose
    /// answer got lost comes back when its short first lease lapses.
    public func poll(_ request: AgentAPI.PollRequest, from agent: AgentIdentity) async throws -> AgentAPI.PollResponse {
        let poll = try begin(request, from: agent)
        if try await !poll.arrive() { try await poll.hold() }
        return poll.answer
    }

    /// The same in two steps, for who can let go of memory in between.
    public func begin(_ request: AgentAPI.PollRequest, from agent: AgentIdentity) throws -> HeldPoll {
        HeldPoll(
            request: try checked(request), agent: agent, store: store, wakeUps: wakeUps, settings: settings, logger: logger,
            now: now)
    }

    private func checked(_ request: AgentAPI.PollRequest) throws -> AgentAPI.PollRequest {
        guard ProtocolVersion.isServed(request.protocolVersion) else {
            throw APIError(
                .protocolVersion,
                "the agent speaks protocol version \(request.protocolVersion); this control plane serves "
                    + "\(ProtocolVersion.oldestServed) to \(ProtocolVersion.current)",
                hint: "install an agent of the control plane's version (\(FlowForgeVersion.current))")
        }
        guard request.leases.count <= Self.mostLeases, request.engines.count <= 64, request.labels.count <= 64,
            request.offer?.engines.count ?? 0 <= 64
        else {
            throw APIError(
                .invalidRequest, "a poll lists at most \(Self.mostLeases) leases, 64 engines and 64 labels")
        }
        let texts =
            request.engines.flatMap { [$0.name, $0.version] } + (request.offer?.engines ?? [])
            + request.labels.flatMap { [$0.key, $0.value] } + [
                request.agentVersion
            ]
        guard texts.allSatisfy({ $0.utf8.count <= Self.longestText }) else {
            throw APIError(
                .invalidRequest, "versions, and the names of engines and labels, are at most \(Self.longestText) bytes long")
        }
        var request = request
        request.freeSlots = max(0, min(request.freeSlots, Self.mostAssignments))
        let wait = request.waitSeconds
        request.waitSeconds = wait.isNaN ? 0 : max(0, min(wait, AgentAPI.longestPoll.seconds))
        return request
    }
}
