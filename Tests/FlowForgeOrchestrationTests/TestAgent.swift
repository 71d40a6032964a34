import FlowForgeDomain
import FlowForgeOrchestration
import FlowForgeProtocol
import Foundation
import Synchronization

/// An agent that speaks to the features directly: it numbers its events as a spool does.
final class TestAgent: Sendable {
    let plane: ControlPlane
    let identity: AgentIdentity
    let spool = ID<Spool>.make()
    private let last = Mutex<Int64>(0)

    init(plane: ControlPlane, identity: AgentIdentity) {
        self.plane = plane
        self.identity = identity
    }

    func poll(
        free: Int = 1, leases: [AgentAPI.Assignment] = [], engines: [String] = ["duckdb"], wait: Double = 0,
        slots: Int? = nil
    ) async throws -> AgentAPI.PollResponse {
        try await plane.dispatcher.poll(
            AgentAPI.PollRequest(
                freeSlots: free, slots: slots ?? (free + leases.count),
                engines: engines.map { .init(name: $0, version: "1") },
                leases: leases.map { .init(lease: $0.lease, attempt: $0.attempt, fencing: $0.fencing) }, waitSeconds: wait),
            from: identity)
    }

    /// As agents of protocol version 2: with what they can take.
    func poll(offering slots: Int, lost: Int = 0, leases: [AgentAPI.Assignment] = [], wait: Double = 0) async throws
        -> AgentAPI.PollResponse
    {
        try await plane.dispatcher.poll(
            AgentAPI.PollRequest(
                freeSlots: max(0, slots - leases.count), slots: slots, engines: [.init(name: "duckdb", version: "1")],
                leases: leases.map { .init(lease: $0.lease, attempt: $0.attempt, fencing: $0.fencing) }, waitSeconds: wait,
                offer: .init(slots: slots, lostSlots: lost, engines: ["duckdb"])),
            from: identity)
    }

    /// The one task that the poll is expected to assign.
    func take() async throws -> AgentAPI.Assignment {
        let response = try await poll()
        guard let assignment = response.assignments.first, response.assignments.count == 1 else {
            throw APIError("test", "expected one assignment, got \(response.assignments.map(\.task))")
        }
        return assignment
    }

    /// Makes the next events of the spool, under the assignment's lease.
    func events(_ bodies: [AgentAPI.ReportBody], of assignment: AgentAPI.Assignment?) -> [AgentAPI.ReportEvent] {
        bodies.map { body in
            AgentAPI.ReportEvent(
                number: last.withLock {
                    $0 += 1; return $0
                }, at: plane.time.now, attempt: assignment?.attempt,
                lease: assignment?.lease, fencing: assignment?.fencing, body: body)
        }
    }

    @discardableResult
    func send(
        _ events: [AgentAPI.ReportEvent], offer: AgentAPI.WorkOffer? = nil
    ) async throws -> AgentAPI.ReportResponse {
        try await plane.intake.accept(AgentAPI.ReportRequest(spool: spool, events: events, offer: offer), from: identity)
    }

    @discardableResult
    func report(
        _ bodies: AgentAPI.ReportBody..., of assignment: AgentAPI.Assignment?
    ) async throws -> AgentAPI.ReportResponse {
        try await send(events(bodies, of: assignment))
    }

    /// Starts and ends the assignment with success, writing `output` if given.
    @discardableResult
    func succeed(
        _ assignment: AgentAPI.Assignment, output: String?, columns: [String] = ["id"],
        lineage: OpenLineage.RunEvent? = nil
    ) async throws -> AgentAPI.ReportResponse {
        var bodies: [AgentAPI.ReportBody] = [.started(.init(pid: 1))]
        if let lineage { bodies.append(.lineage(lineage)) }
        bodies.append(.finished(success(output, columns: columns)))
        return try await send(events(bodies, of: assignment))
    }

    func success(_ output: String?, columns: [String] = ["id"]) -> AgentAPI.Finished {
        let snapshot = ID<Snapshot>.make()
        return AgentAPI.Finished(
            outcome: .succeeded, metrics: TaskMetrics(rowsRead: 3, rowsWritten: 2),
            output: output.flatMap { AssetName($0) }.map { asset in
                TaskOutput(
                    asset: asset, snapshot: snapshot, location: "snapshots/\(snapshot)", rows: 2, bytes: 100,
                    schema: columns.map { ColumnSchema(name: $0, type: "BIGINT") },
                    statistics: columns.map { ColumnStatistics(column: $0, count: 2, nulls: 0) })
            })
    }

    func failure(_ code: String = "sql_error", retryable: Bool = false) -> AgentAPI.Finished {
        AgentAPI.Finished(
            outcome: .failed, metrics: TaskMetrics(),
            error: TaskError(code: code, message: "it failed", retryable: retryable))
    }
}
