import FlowForgeDomain
import FlowForgeOrchestration
import FlowForgeProtocol
import FlowForgeStore
import Foundation

@testable import FlowForgeAgentCore

/// How the line between one agent and the control plane behaves at the moment.
struct LineWeather {
    var loss = 0.0
    var duplication = 0.0
    /// Nothing passes; asked again, a cut line may fail at once or stay silent.
    var isCut = false
}

/// One agent process's way to the control plane. Requests and replies are delayed, lost, duplicated
/// and overtake each other; the server may do what it was asked although nobody hears of it.
final class Wire: ControlPlane, @unchecked Sendable {
    unowned let world: World
    let agent: AgentNode
    let process: SimulatedProcess
    /// When the poll that waits at the control plane came there.
    private(set) var parkedSince: Double?
    private var loop: EventLoop { world.loop }

    init(world: World, agent: AgentNode, process: SimulatedProcess) {
        (self.world, self.agent, self.process) = (world, agent, process)
    }

    func poll(_ request: AgentAPI.PollRequest) async throws -> AgentAPI.PollResponse {
        let identity = agent.identity
        let sabotage = world.sabotage
        world.trace.note(agent.name, "poll \(request.freeSlots) free, \(request.leases.count) leases, \(request.waitSeconds) s")
        let response = try await exchange(request.waitSeconds > 0 ? "poll" : "prolong", limit: request.waitSeconds + 15) {
            services in
            var request = request
            if sabotage == .forgetsToRenew { request.leases = [] }
            return try await services.dispatcher.poll(request, from: identity)
        }
        world.trace.note(
            agent.name,
            "heard \(response.assignments.map { "\($0.task)/\($0.number)" }), \(response.renewed.count) renewed, "
                + "\(response.cancellations.map(\.reason.rawValue)), \(response.publications.count) publications")
        return response
    }

    func report(_ body: Data) async throws -> AgentAPI.ReportResponse {
        let request = try WireCoding.decode(AgentAPI.ReportRequest.self, from: body)
        world.trace.note(agent.name, "report \(request.events.map { "\($0.number) \(Self.kind($0.body))" })")
        let identity = agent.identity
        let sabotage = world.sabotage
        let isThrownAway = sabotage == .acknowledgesWithoutStoring && loop.chance.happens(0.1)
        let response = try await exchange("report", limit: 15) { [world] services in
            if isThrownAway, let last = request.events.last { return AgentAPI.ReportResponse(acknowledged: last.number) }
            if sabotage == .acceptsStaleLeases {
                try await world.plane.store.write { session in
                    for attempt in request.events.compactMap(\.attempt) { try session.resurrect(attempt) }
                }
            }
            return try await services.intake.accept(request, from: identity)
        }
        world.trace.note(agent.name, "acknowledged \(response.acknowledged), \(response.stale.count) stale")
        try world.acknowledged(response, of: request, by: agent)
        return response
    }

    static func kind(_ body: AgentAPI.ReportBody) -> String {
        switch body {
        case .finished(let finished): "finished \(finished.outcome.rawValue)"
        case .log(let chunk): "log \(chunk.offset)+\(chunk.lines.count)"
        case .started: "started"
        case .progress: "progress"
        case .published(let publication): "published \(publication.asset) \(publication.snapshot.version)"
        case .arrived(let arrival): "arrived \(arrival.files.count)"
        case .answered(let answered): "answered \(answered.error?.code ?? "well")"
        case .dropped: "dropped"
        case .lineage: "lineage"
        case .unknown(let type): type
        }
    }

    func renew(_ request: AgentAPI.RenewRequest) async throws -> AgentAPI.CertificateGrant { throw LinkError.timedOut }
    func referrers(of digest: String) async throws -> ReferrerIndex { throw LinkError.timedOut }
    func blob(_ digest: String, from offset: Int64, write: @Sendable (Data) throws -> Void) async throws -> Int64 {
        throw LinkError.timedOut
    }

    private func exchange<Reply: Sendable>(
        _ kind: String, limit: Double, _ work: @Sendable @escaping (PlaneNode.Services) async throws -> Reply
    ) async throws -> Reply {
        try Task.checkCancellation()
        guard process.isAlive else { throw LinkError.unreachable("this process is dead") }
        let call = Call<Reply>()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                call.continuation = continuation
                if kind == "poll" { parkedSince = nil }
                call.limit = loop.after(limit / agent.clockRate) { call.end(.failure(LinkError.timedOut)) }
                send(call, kind: kind, work)
            }
        } onCancel: {
            call.end(.failure(CancellationError()))
        }
    }

    private final class Call<Reply: Sendable>: @unchecked Sendable {
        var continuation: CheckedContinuation<Reply, any Error>?
        var limit: EventLoop.Timer?
        /// The connection is gone: the server hears of it some time.
        var hangUp: (() -> Void)?

        func end(_ result: Result<Reply, any Error>) {
            guard let continuation else { return }
            self.continuation = nil
            limit?.cancel()
            continuation.resume(with: result)
            hangUp?()
        }
    }

    private func send<Reply: Sendable>(
        _ call: Call<Reply>, kind: String, _ work: @Sendable @escaping (PlaneNode.Services) async throws -> Reply
    ) {
        if agent.weather.isCut {
            if loop.chance.happens(0.5) {
                loop.after(loop.chance.seconds(0.01...10)) { call.end(.failure(LinkError.unreachable("no route"))) }
            }
            return
        }
        if loop.chance.happens(agent.weather.loss) {
            world.count("network.lost_request")
        } else {
            loop.after(latency) { self.deliver(call, kind: kind, work) }
        }
        if loop.chance.happens(agent.weather.duplication) {
            world.count("network.duplicate")
            loop.after(loop.chance.latency() + loop.chance.seconds(0...5)) { self.deliver(nil, kind: kind, work) }
        }
    }

    private var latency: Double { world.isCalm ? loop.chance.seconds(0.0005...0.03) : loop.chance.latency() }

    private func deliver<Reply: Sendable>(
        _ call: Call<Reply>?, kind: String, _ work: @Sendable @escaping (PlaneNode.Services) async throws -> Reply
    ) {
        // A request that arrives after its sender gave up is worked on all the same, as a proxy's would be.
        if agent.weather.isCut { return }
        let answer: (Result<Reply, any Error>) -> Void = { result in
            guard let call else { return }
            if self.agent.weather.isCut || self.loop.chance.happens(self.agent.weather.loss) {
                return self.world.count("network.lost_reply")
            }
            if kind == "poll" { self.parkedSince = nil }
            self.loop.after(self.latency) { call.end(result.mapError(Self.seen)) }
        }
        guard let request = world.plane.take(kind, work, answer: answer) else {
            loop.after(loop.chance.seconds(0.001...0.05)) { call?.end(.failure(LinkError.unreachable("refused"))) }
            return
        }
        if kind == "poll", call != nil { parkedSince = loop.seconds }
        call?.hangUp = { [weak request, loop] in
            loop.after(loop.chance.latency()) { request?.cancel() }
        }
    }

    /// What the agent sees of the server's errors.
    private static func seen(_ error: any Error) -> any Error {
        switch error {
        case let error as LinkError: error
        case is CancellationError: LinkError.unreachable("the connection was closed")
        case let error as APIError: LinkError.refused(error, status: 400)
        case StoreError.full: LinkError.refused(APIError(.storageFull, "full"), status: 507)
        case StoreError.busy: LinkError.refused(APIError(.busy, "busy"), status: 503)
        default: LinkError.refused(APIError(.internalError, "\(error)"), status: 500)
        }
    }
}
