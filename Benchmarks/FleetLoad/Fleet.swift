import FlowForgeProtocol
import Foundation
import NIOCore
import NIOSSL

/// All agents, on one event loop, and what they have seen.
final class Fleet {
    /// Since the start; printed once a second.
    struct Counts: Encodable {
        var handshakes = 0
        var connectFailures = 0
        /// Connections that ended after they had been opened.
        var lost = 0
        var timeouts = 0
        /// Answers other than 200.
        var refusals = 0
        var unreadable = 0
        var polls = 0
        var assigned = 0
        var reports = 0
        var completed = 0
        /// Attempts whose report came too late.
        var stale = 0
    }

    struct Tick: Encodable {
        var second: Double
        var waiting: Int
        var counts: Counts
        var lastError: String?
    }

    struct Summary: Encodable {
        /// From the first assignment to the last completion.
        var workSeconds: Double
        var reportP50: Double
        var reportP99: Double
        var counts: Counts
        var lastError: String?
    }

    let loop: any EventLoop
    let server: Server
    let roots: [NIOSSLCertificate]
    let messages: Messages
    let decoder = JSONDecoder()
    var counts = Counts()
    var lastError: String?
    private(set) var isStopping = false
    private var agents: [LoadAgent] = []
    private var firstAssigned: NIODeadline?
    private var lastCompleted = NIODeadline.now()
    private var reportMilliseconds: [Float] = []
    private static let mostTimes = 2_000_000

    init(loop: any EventLoop, server: Server, roots: [NIOSSLCertificate], messages: Messages) {
        self.loop = loop
        self.server = server
        self.roots = roots
        self.messages = messages
    }

    func add(_ identity: Identity) { agents.append(LoadAgent(fleet: self, identity: identity)) }

    /// Lets the agents connect, so many a second.
    func start(rate: Int) {
        for (index, agent) in agents.enumerated() {
            loop.assumeIsolated().scheduleTask(in: .microseconds(Int64(index * 1_000_000 / max(rate, 1)))) { agent.connect() }
        }
    }

    func stop() {
        isStopping = true
        for agent in agents { agent.close() }
    }

    func tick(second: Double) -> Tick {
        let now = NIODeadline.now()
        for agent in agents { agent.checkTime(now) }
        return Tick(second: second, waiting: agents.count { $0.isWaiting }, counts: counts, lastError: lastError)
    }

    func assigned(_ tasks: Int) {
        counts.assigned += tasks
        if tasks > 0, firstAssigned == nil { firstAssigned = .now() }
    }

    func reported(_ attempts: Int, stale: Int, took: TimeAmount) {
        lastCompleted = .now()
        counts.reports += 1
        counts.completed += attempts - stale
        counts.stale += stale
        if reportMilliseconds.count < Self.mostTimes { reportMilliseconds.append(Float(took.nanoseconds) / 1e6) }
    }

    func refused(_ answer: AnswerReader.Answer) {
        counts.refusals += 1
        lastError = "HTTP \(answer.status): \(String(decoding: answer.body.readableBytesView.prefix(300), as: UTF8.self))"
    }

    var summary: Summary {
        let times = reportMilliseconds.sorted()
        func percentile(_ share: Double) -> Double {
            times.isEmpty ? 0 : Double(times[min(times.count - 1, Int(share * Double(times.count)))])
        }
        let work = firstAssigned.map { Double((lastCompleted - $0).nanoseconds) / 1e9 } ?? 0
        return Summary(
            workSeconds: work, reportP50: percentile(0.5), reportP99: percentile(0.99), counts: counts, lastError: lastError)
    }
}
