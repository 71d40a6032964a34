internal import AsyncHTTPClient
public import FlowForgeProtocol
internal import Foundation
internal import Synchronization

/// An agent as far as the wire goes, against a control plane in another process: it takes tasks, says at
/// once that they succeeded, and keeps a spool in memory as agents keep theirs on disk. What it was told
/// is durable can be asked of it afterwards.
public final class WireAgent: Sendable {
    /// The control plane answered with a refusal.
    public struct Refused: Error, CustomStringConvertible {
        public let error: APIError
        public var description: String { "\(error.code.rawValue): \(error)" }
    }

    private struct State {
        var spool = ID<Spool>.make()
        var next: Int64 = 1
        var unacknowledged: [AgentAPI.ReportEvent] = []
        var finished: [ID<Attempt>: ID<Run>] = [:]
        var fencing: [Int64] = []
        var versions: [Int] = []
    }

    private let exchange: HTTPExchange
    private let client: HTTPClient
    private let state = Mutex(State())

    private init(exchange: HTTPExchange, client: HTTPClient) {
        self.exchange = exchange
        self.client = client
    }

    /// - Parameter ca: PEM.
    public static func join(url: String, ca: String, token: Secret, pool: String, name: String) async throws -> WireAgent {
        let key = SigningPair()
        let anonymous = try TestControlPlane.client(trusting: ca, certificate: nil, key: nil)
        let answer: Swift.Result<TestAgent.Answer, any Error>
        do {
            answer = .success(
                try await HTTPExchange(base: url, client: anonymous).post(
                    "/agent/v1/join", AgentAPI.JoinRequest(token: token, pool: pool, csr: try key.request(), name: name)))
        } catch { answer = .failure(error) }
        try await anonymous.shutdown()
        let grant = try checked(try answer.get()).decoded(AgentAPI.CertificateGrant.self)
        let client = try TestControlPlane.client(trusting: ca, certificate: grant.certificate, key: key.pem)
        return WireAgent(exchange: HTTPExchange(base: url, client: client), client: client)
    }

    public func close() async throws { try await client.shutdown() }

    /// Attempts whose end the control plane has acknowledged, and their runs.
    public var finished: [ID<Attempt>: ID<Run>] { state.withLock { $0.finished } }
    /// Every fencing number that it was given, in order.
    public var fencing: [Int64] { state.withLock { $0.fencing } }
    /// Every version that a snapshot of its got, in order.
    public var versions: [Int] { state.withLock { $0.versions } }

    /// Polls once and works on what it is given. Returns whether there was anything.
    @discardableResult
    public func step(outputs: [String: AssetName] = [:]) async throws -> Bool {
        try await report()
        let assignments = try await poll(slots: 4, engines: ["duckdb", "command"], waiting: 0.2).assignments
        for assignment in assignments {
            append(.started(.init(pid: 1)), of: assignment)
            append(.log(.init(offset: 0, lines: [LogLine(at: Date(), stream: .stdout, text: "one")])), of: assignment)
            append(.finished(Self.success(outputs[assignment.task])), of: assignment)
        }
        state.withLock { $0.fencing += assignments.map(\.fencing) }
        try await report()
        return !assignments.isEmpty
    }

    /// Takes a task, says that it has started, and nothing more; `nil` where there was none.
    public func hold() async throws -> AgentAPI.Assignment? {
        guard let held = try await poll(slots: 1, engines: ["command"], waiting: 1).assignments.first else { return nil }
        append(.started(.init(pid: 1)), of: held)
        try await report()
        return held
    }

    /// A poll that lists the held task, and takes no other: what the control plane wants ended.
    public func prolong(_ held: AgentAPI.Assignment) async throws -> [AgentAPI.Cancellation] {
        try await poll(slots: 1, engines: ["command"], waiting: 1, holding: held).cancellations
    }

    /// What it holds takes one of its slots.
    private func poll(
        slots: Int, engines: [String], waiting seconds: Double, holding held: AgentAPI.Assignment? = nil
    ) async throws -> AgentAPI.PollResponse {
        let leases = held.map { [AgentAPI.HeldLease(lease: $0.lease, attempt: $0.attempt, fencing: $0.fencing)] } ?? []
        let request = AgentAPI.PollRequest(
            freeSlots: slots - leases.count, slots: slots, engines: engines.map { .init(name: $0, version: "1") },
            leases: leases, waitSeconds: seconds, offer: .init(slots: slots, engines: engines))
        return try Self.checked(try await exchange.post("/agent/v1/poll", request)).decoded(AgentAPI.PollResponse.self)
    }

    /// Says at last that it succeeded. Returns whether that was let pass.
    public func finish(_ held: AgentAPI.Assignment) async throws -> Bool {
        append(.finished(Self.success(nil)), of: held)
        try await report()
        return finished[held.attempt] != nil
    }

    /// Sends what was not acknowledged, if there is anything.
    public func report() async throws {
        let request = state.withLock { AgentAPI.ReportRequest(spool: $0.spool, events: $0.unacknowledged) }
        guard !request.events.isEmpty else { return }
        let response = try Self.checked(try await exchange.post("/agent/v1/report", request))
            .decoded(AgentAPI.ReportResponse.self)
        state.withLock { state in
            let stale = Set(response.stale)
            for event in state.unacknowledged where event.number <= response.acknowledged {
                guard case .finished = event.body, let attempt = event.attempt, let lease = event.lease, !stale.contains(lease)
                else { continue }
                state.finished[attempt] = runs.withLock { $0[attempt] }
            }
            state.unacknowledged.removeAll { $0.number <= response.acknowledged }
            state.versions += response.publications.map(\.snapshot.version)
        }
    }

    /// What was asked for was checked.
    public func forget() { state.withLock { $0.finished = [:] } }

    /// What a spool does that is ahead of its control plane.
    public func restartSpool() {
        state.withLock { state in
            state.spool = .make()
            for index in state.unacknowledged.indices { state.unacknowledged[index].number = Int64(index + 1) }
            state.next = Int64(state.unacknowledged.count + 1)
        }
    }

    private let runs = Mutex<[ID<Attempt>: ID<Run>]>([:])

    private func append(_ body: AgentAPI.ReportBody, of assignment: AgentAPI.Assignment) {
        runs.withLock { $0[assignment.attempt] = assignment.run }
        state.withLock { state in
            state.unacknowledged.append(
                AgentAPI.ReportEvent(
                    number: state.next, at: Date(), attempt: assignment.attempt, lease: assignment.lease,
                    fencing: assignment.fencing, body: body))
            state.next += 1
        }
    }

    private static func success(_ output: AssetName?) -> AgentAPI.Finished {
        let snapshot = ID<Snapshot>.make()
        return AgentAPI.Finished(
            outcome: .succeeded, metrics: TaskMetrics(),
            output: output.map {
                TaskOutput(
                    asset: $0, snapshot: snapshot, location: "snapshots/\(snapshot)", rows: 1, bytes: 1,
                    schema: [ColumnSchema(name: "id", type: "INTEGER")], statistics: [])
            }, logLines: 1)
    }

    private static func checked(_ answer: TestAgent.Answer) throws -> TestAgent.Answer {
        guard answer.status != 200 else { return answer }
        throw Refused(error: try WireCoding.decode(ErrorBody.self, from: answer.body).error)
    }
}
