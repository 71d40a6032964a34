import ArgumentParser
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// A fleet of agents in one process, to load a control plane with; see docs/performance.md.
@main
struct FleetLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet-load",
        abstract: "Loads a control plane with thousands of agents from one process.",
        discussion: """
            Each agent joins, connects with mutual TLS, polls, and reports whatever it is assigned as done
            at once. The join token is read from FLOWFORGE_JOIN_TOKEN. Prints one JSON object a line:
            `joined`, then a `tick` a second, and a `summary`. A line on standard input lets the agents
            connect after they have joined; its end ends the fleet.

              FLOWFORGE_JOIN_TOKEN=… fleet-load --url https://127.0.0.1:8443 --ca-file ca.pem \\
                  --pool bench --agents 1000 < <(echo; sleep 60)
            """)

    @Option(help: "The control plane's agent API, https://ADDRESS:PORT.")
    var url: String
    @Option(help: "PEM of the authority to trust.")
    var caFile: String
    @Option(help: "The pool that the token is for.")
    var pool: String
    @Option(help: "How many agents.")
    var agents: Int
    @Option(help: "How many tasks each takes at a time.")
    var slots = 1
    @Option(help: "The one engine that they offer.")
    var engine = "command"
    @Option(help: "How many connect a second.")
    var rate = 500
    @Option(help: "How many join at a time.")
    var joiners = 8
    @Option(help: "Seconds that each poll asks to be held.")
    var wait = 25.0
    @Flag(help: "Also report the lineage events that an agent sends about a command.")
    var lineage = false

    func run() async throws {
        guard let address = URLComponents(string: url), let host = address.host, let port = address.port else {
            throw ValidationError("'\(url)' is not https://ADDRESS:PORT")
        }
        guard let token = ProcessInfo.processInfo.environment["FLOWFORGE_JOIN_TOKEN"] else {
            throw ValidationError("FLOWFORGE_JOIN_TOKEN holds no join token")
        }
        try raiseFileLimit()
        let server = Server(host: host, port: port)
        let roots = try NIOSSLCertificate.fromPEMFile(caFile)
        let messages = try Messages(
            server: server, engine: engine, slots: slots, wait: wait, telling: lineage ? .statesAndLineage : .states)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let bound = try await loop.submit {
            NIOLoopBound(Fleet(loop: loop, server: server, roots: roots, messages: messages), eventLoop: loop)
        }.get()
        let plan = Joiner.Plan(server: server, roots: roots, token: Secret(token), pool: pool)
        let began = ContinuousClock.now
        try await join(plan, bound, loop)
        Report.say("joined", ["agents": Double(agents), "seconds": began.secondsUntilNow])
        guard readLine() != nil else { return }
        try await drive(bound, loop)
        try await group.shutdownGracefully()
    }

    private func join(_ plan: Joiner.Plan, _ fleet: NIOLoopBound<Fleet>, _ loop: any EventLoop) async throws {
        let (wanted, width) = (agents, joiners)
        let done = loop.makePromise(of: Void.self)
        loop.execute {
            var asked = 0
            var joined = 0
            for _ in 0..<min(width, wanted) {
                let joiner = Joiner(plan: plan) {
                    guard asked < wanted else { return nil }
                    asked += 1
                    return asked
                } joined: { result in
                    switch result {
                    case .success(let identity):
                        fleet.value.add(identity)
                        joined += 1
                        if joined == wanted { done.succeed() }
                    case .failure(let error): done.fail(error)
                    }
                }
                joiner.start(on: loop)
                // Its line holds it weakly.
                done.futureResult.assumeIsolated().whenComplete { _ in _ = joiner }
            }
        }
        try await done.futureResult.get()
    }

    /// Ticks until standard input ends or the process is told to.
    private func drive(_ fleet: NIOLoopBound<Fleet>, _ loop: any EventLoop) async throws {
        let rate = rate
        loop.execute { fleet.value.start(rate: rate) }
        let over = loop.makePromise(of: Void.self)
        Thread.detachNewThread {
            while readLine() != nil {}
            over.succeed()
        }
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await over.futureResult.get() }
            group.addTask {
                while true {
                    try await Task.sleep(for: .seconds(1))
                    let second = began.secondsUntilNow
                    try await loop.submit { Report.say("tick", fleet.value.tick(second: second)) }.get()
                }
            }
            try await group.next()
            group.cancelAll()
        }
        try await loop.submit {
            fleet.value.stop()
            Report.say("summary", fleet.value.summary)
        }.get()
    }

    /// To what the system allows; each agent is a file.
    private func raiseFileLimit() throws {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur > UInt(agents) + 100 else {
            throw ValidationError("\(agents) agents need as many open files; this process may have \(limit.rlim_cur)")
        }
    }
}

enum Report {
    /// One line on standard output, at once.
    static func say(_ event: String, _ value: some Encodable) {
        let text = (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
        FileHandle.standardOutput.write(Data("{\"event\":\"\(event)\",\"value\":\(text)}\n".utf8))
    }
}

extension ContinuousClock.Instant {
    var secondsUntilNow: Double {
        let time = duration(to: .now).components
        return Double(time.seconds) + Double(time.attoseconds) / 1e18
    }
}
