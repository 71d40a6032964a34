import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

@Suite struct LoopBoardTests {
    let start = ContinuousClock.now

    static func assignment(lease seconds: Double = 15) -> AgentAPI.Assignment {
        AgentAPI.Assignment(
            attempt: .make(), number: 1, lease: .make(), fencing: 1, leaseSeconds: seconds, run: .make(), environment: "dev",
            bundle: .init(name: "b", version: "1", digest: "sha256:0"), flow: "f", task: "t", parameters: [:], variables: [:],
            inputs: [:], base: nil, runTime: .now)
    }

    func answer(
        _ assignments: [AgentAPI.Assignment] = [], renewed: [AgentAPI.RenewedLease] = [],
        cancellations: [AgentAPI.Cancellation] = [], directives: [AgentAPI.Directive] = []
    ) -> AgentAPI.PollResponse {
        .init(
            serverTime: .now, assignments: assignments, cancellations: cancellations, renewed: renewed, directives: directives)
    }

    func started(_ actions: [AgentAction]) -> [ID<Attempt>] {
        actions.compactMap { if case .start(let assignment) = $0 { assignment.attempt } else { nil } }
    }
    func ended(_ actions: [AgentAction]) -> [EndReason] {
        actions.compactMap { if case .end(_, let reason) = $0 { reason } else { nil } }
    }

    @Test func `slots bound what is taken, and a repeated assignment is taken once`() {
        var board = AttemptBoard(slots: 2)
        let (a, b, c) = (Self.assignment(), Self.assignment(), Self.assignment())
        #expect(started(board.heard(answer([a, b, c]), sent: start, received: start)) == [a.attempt, b.attempt])
        #expect(board.freeSlots == 0 && board.leases.count == 2)
        #expect(started(board.heard(answer([a]), sent: start, received: start)).isEmpty)
        let wasLost = board.concluded(a.attempt)
        #expect(!wasLost)
        #expect(board.freeSlots == 1)
        #expect(started(board.heard(answer([c]), sent: start, received: start)) == [c.attempt])
    }

    @Test func `an attempt outlives its lease until the control plane says that it is lost`() {
        var board = AttemptBoard(slots: 1)
        let a = Self.assignment(lease: 15)
        _ = board.heard(answer([a]), sent: start, received: start)
        #expect(ended(board.lapse(at: start + .seconds(3600))).isEmpty)
        #expect(board.leases.map(\.attempt) == [a.attempt], "polls go on asking for it")
        let lost = AgentAPI.Cancellation(attempt: a.attempt, lease: a.lease, reason: .leaseLost)
        #expect(ended(board.heard(answer(cancellations: [lost]), sent: start, received: start)) == [.leaseLost])
        #expect(board.offer(engines: []) == .init(slots: 1, lostSlots: 1, engines: []))
        let isFreed = board.concluded(a.attempt)
        #expect(isFreed, "the control plane does not know that the slot is free")
        #expect(board.offer(engines: []) == .init(slots: 1, engines: []))
    }

    @Test func `a concluded attempt frees its slot and keeps its lease until its outcome is acknowledged`() {
        var board = AttemptBoard(slots: 1)
        let (a, b) = (Self.assignment(), Self.assignment())
        _ = board.heard(answer([a]), sent: start, received: start)
        let wasLost = board.concluded(a.attempt)
        #expect(!wasLost)
        #expect(board.freeSlots == 1 && board.isEmpty && board.leases.count == 1)
        #expect(started(board.assigned(b, received: start)) == [b.attempt], "the answer to its report may bring the next")
        board.told(a.attempt, as: 7)
        board.acknowledged(6)
        #expect(board.leases.count == 2)
        board.acknowledged(7)
        #expect(board.leases.map(\.attempt) == [b.attempt])
        // The acknowledgement may be heard before the number is known.
        let bWasLost = board.concluded(b.attempt)
        #expect(!bWasLost)
        board.acknowledged(9)
        board.told(b.attempt, as: 9)
        #expect(board.leases.isEmpty)
    }

    @Test func `a concluded attempt is not ended, and goes when its lease is lost`() {
        var board = AttemptBoard(slots: 1)
        let a = Self.assignment()
        _ = board.heard(answer([a]), sent: start, received: start)
        let wasLost = board.concluded(a.attempt)
        #expect(!wasLost)
        #expect(ended(board.end(a.attempt, .runCancelled)).isEmpty && board.leases.count == 1)
        #expect(ended(board.stale(a.lease)).isEmpty && board.leases.isEmpty)
    }

    @Test func `the lease of a task that must not run twice lapses on the agent's own clock unless polls renew it`() {
        var board = AttemptBoard(slots: 2)
        let a = Self.assignment(lease: 15)
        _ = board.heard(answer([a]), sent: start, received: start + .seconds(1))
        board.stopsWhenCutOff(a.attempt)
        #expect(ended(board.lapse(at: start + .seconds(15.9))).isEmpty)
        _ = board.heard(
            answer(renewed: [.init(lease: a.lease, seconds: 60)]), sent: start + .seconds(10), received: start + .seconds(30))
        #expect(ended(board.lapse(at: start + .seconds(69.9))).isEmpty)
        #expect(ended(board.lapse(at: start + .seconds(70))) == [.leaseLost])
        #expect(ended(board.lapse(at: start + .seconds(71))).isEmpty)
        #expect(board.leases.isEmpty && !board.isEmpty)
    }

    @Test func `an answer that arrives late never shortens a lease`() {
        var board = AttemptBoard(slots: 1)
        let a = Self.assignment(lease: 60)
        _ = board.heard(answer([a]), sent: start, received: start)
        board.stopsWhenCutOff(a.attempt)
        _ = board.heard(answer(renewed: [.init(lease: a.lease, seconds: 5)]), sent: start, received: start + .seconds(1))
        #expect(ended(board.lapse(at: start + .seconds(59))).isEmpty)
    }

    @Test func `the first reason to end stands, but a lost lease overrules it`() {
        var board = AttemptBoard(slots: 1)
        let a = Self.assignment()
        _ = board.heard(answer([a]), sent: start, received: start)
        let cancelled = AgentAPI.Cancellation(attempt: a.attempt, lease: a.lease, reason: .runCancelled)
        #expect(ended(board.heard(answer(cancellations: [cancelled]), sent: start, received: start)) == [.runCancelled])
        #expect(ended(board.heard(answer(cancellations: [cancelled]), sent: start, received: start)).isEmpty)
        #expect(ended(board.end(a.attempt, .timedOut)).isEmpty)
        #expect(ended(board.stale(a.lease)) == [.leaseLost])
        #expect(board.ending(a.attempt) == .leaseLost)
    }

    @Test func `a cancellation of another lease of the same attempt is not ours`() {
        var board = AttemptBoard(slots: 1)
        let a = Self.assignment()
        _ = board.heard(answer([a]), sent: start, received: start)
        let other = AgentAPI.Cancellation(attempt: a.attempt, lease: .make(), reason: .runCancelled)
        #expect(ended(board.heard(answer(cancellations: [other]), sent: start, received: start)).isEmpty)
    }

    @Test func `drain takes nothing until resume, and a stop for good`() {
        var board = AttemptBoard(slots: 2)
        _ = board.heard(answer(directives: [.drain]), sent: start, received: start)
        #expect(board.freeSlots == 0)
        _ = board.heard(answer(directives: [.resume]), sent: start, received: start)
        #expect(board.freeSlots == 2)
        board.stop()
        let late = board.heard(answer([Self.assignment()], directives: [.resume]), sent: start, received: start)
        #expect(started(late).isEmpty && board.freeSlots == 0 && board.isEmpty)
    }

    @Test func `the end of the grace ends what is not ending yet`() {
        var board = AttemptBoard(slots: 2)
        let (a, b) = (Self.assignment(), Self.assignment())
        _ = board.heard(answer([a, b]), sent: start, received: start)
        _ = board.end(a.attempt, .runCancelled)
        #expect(ended(board.endAll()) == [.stopping])
        #expect(board.ending(a.attempt) == .runCancelled)
    }

    @Test func `leases are prolonged well before they lapse, and not in a hot loop`() {
        var board = AttemptBoard(slots: 2)
        #expect(board.renewalDelay(at: start) == nil)
        _ = board.heard(answer([Self.assignment(lease: 15)]), sent: start, received: start)
        #expect(board.renewalDelay(at: start) == 5)
        #expect(board.renewalDelay(at: start + .seconds(14.9)) == 0.5)
        #expect(board.renewalDelay(at: start + .seconds(100)) == 0.5)
        _ = board.heard(answer([Self.assignment(lease: 600)]), sent: start, received: start)
        #expect(board.renewalDelay(at: start - .seconds(600)) == 8)
    }
}
