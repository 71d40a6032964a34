import FlowForgeProtocol
import Foundation
import NIOCore
import NIOSSL

/// One agent of the fleet. It polls, takes what it is given, and reports it done at once; when its
/// connection is gone it comes back as the real one does, after a full-jitter exponential delay.
final class LoadAgent: LineOwner {
    private enum State {
        case away
        case connecting
        /// The poll, or the report of so many attempts, that is not answered.
        case polling
        case reporting(Int)
    }

    private let fleet: Fleet
    private let identity: Identity
    private let spool = ID<Spool>.make()
    private var number: Int64 = 0
    private var line: Line?
    private var state = State.away
    private var since = NIODeadline.now()
    private var failures = 0
    /// Repeated until it is acknowledged.
    private var unacknowledged: (request: ByteBuffer, attempts: Int)?

    init(fleet: Fleet, identity: Identity) {
        self.fleet = fleet
        self.identity = identity
    }

    var isWaiting: Bool { if case .polling = state { true } else { false } }

    func connect() {
        guard case .away = state else { return }
        move(to: .connecting)
        let line = Line(owner: self)
        self.line = line
        line.open(to: fleet.server, tls: identity.tls(trusting: fleet.roots), on: fleet.loop)
    }

    func close() { line?.close() }

    /// Gives up what takes longer than the real agent would wait for.
    func checkTime(_ now: NIODeadline) {
        let limit: TimeAmount
        switch state {
        case .away: return
        case .connecting: limit = .seconds(10)
        case .polling: limit = .seconds(40)
        case .reporting: limit = .seconds(15)
        }
        guard now - since > limit else { return }
        fleet.counts.timeouts += 1
        line?.close()
    }

    func opened(_ line: Line) {
        fleet.counts.handshakes += 1
        if let unacknowledged { send(report: unacknowledged) } else { poll() }
    }

    func answered(_ line: Line, _ answer: AnswerReader.Answer) {
        guard answer.status == 200 else {
            fleet.refused(answer)
            line.close()
            return
        }
        failures = 0
        do {
            let took = NIODeadline.now() - since
            let heard = try fleet.decoder.decode(Heard.self, from: Data(answer.body.readableBytesView))
            switch state {
            case .polling: fleet.counts.polls += 1
            case .reporting(let attempts):
                fleet.reported(attempts, stale: heard.stale?.count ?? 0, took: took)
                unacknowledged = nil
            case .away, .connecting: return
            }
            let assigned = heard.assignments ?? []
            fleet.assigned(assigned.count)
            if answer.isLast { return }
            if assigned.isEmpty {
                poll()
            } else {
                let request = fleet.messages.report(assigned, spool: spool, after: &number)
                unacknowledged = (request, assigned.count)
                send(report: (request, assigned.count))
            }
        } catch {
            fleet.counts.unreadable += 1
            line.close()
        }
    }

    func closed(_ line: Line, _ error: (any Error)?) {
        if case .connecting = state { fleet.counts.connectFailures += 1 } else { fleet.counts.lost += 1 }
        fleet.lastError = error.map { String("\($0)".prefix(200)) } ?? fleet.lastError
        self.line = nil
        move(to: .away)
        guard !fleet.isStopping else { return }
        failures += 1
        let ceiling = min(60, Double(1 << min(failures - 1, 30)))
        let delay = TimeAmount.nanoseconds(Int64(Double.random(in: 0...ceiling) * 1e9))
        fleet.loop.assumeIsolated().scheduleTask(in: delay) { self.connect() }
    }

    private func poll() {
        move(to: .polling)
        line?.send(fleet.messages.poll)
    }

    private func send(report: (request: ByteBuffer, attempts: Int)) {
        move(to: .reporting(report.attempts))
        line?.send(report.request)
    }

    private func move(to next: State) {
        state = next
        since = .now()
    }
}
