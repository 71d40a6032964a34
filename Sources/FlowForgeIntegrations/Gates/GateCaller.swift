internal import AsyncHTTPClient
internal import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging
internal import NIOCore
internal import NIOHTTP1
public import ServiceLifecycle

/// Asks the systems that external gates name about plans that wait for them. The one loop of questions.
///
/// A question is noted before it is asked, asked until it is taken, and asked again with the same id after whatever
/// ended the control plane: at least once, so that the other system tells repetitions by `webhook-id`. Attempts are
/// spread by full jitter; they end with the plan, with the change that waits, or after ``Settings/mostAttempts``.
public struct GateCaller: Service {
    public struct Settings: Sendable {
        public var first = 1.0
        public var cap = 300.0
        public var mostAttempts = 100
        /// Of one attempt with all of its answer, in seconds.
        public var timeout = 20.0
        /// At a time.
        public var width = 8
        /// 0 … the given number.
        public var draw: @Sendable (Double) -> Double = { Double.random(in: 0...$0) }
        public init() {}
    }

    private let store: Store
    private let keys: GateKeys
    private let bell: Doorbell
    private let answers: any GateAnswering
    private let callbackBase: String
    private let settings: Settings
    private let logger: Logger
    private let clock: any Clock<Duration>

    /// How often it looks when nobody rings.
    static let idle = Duration.seconds(15)
    /// Of an answer, in bytes.
    static let largestAnswer = 64 << 10
    static let actor = Actor.system("gate-caller")

    /// `callbackBase` is where others reach the operator API, `https://host:port`.
    public init(
        store: Store, keys: GateKeys, bell: Doorbell, answers: any GateAnswering, callbackBase: String,
        settings: Settings = Settings(), logger: Logger, clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.store = store
        self.keys = keys
        self.bell = bell
        self.answers = answers
        self.callbackBase = callbackBase
        self.settings = settings
        self.logger = logger
        self.clock = clock
    }

    /// Until graceful shutdown or cancellation.
    public func run() async throws {
        let client = Self.client()
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var pause = Self.idle
                do { pause = min(pause, try await advance(client)) } catch is CancellationError { return } catch {
                    logger.error("gates could not be asked about", metadata: ["error": "\(error)"])
                    pause = .seconds(1)
                }
                await bell.wait(upTo: pause, on: clock)
            }
        }
        try await client.shutdown()
    }

    /// One look: notes what is to be asked, asks what is due. Returns how long nothing will be.
    func advance(_ client: HTTPClient) async throws -> Duration {
        if try await !store.read({ try GateQuestions(session: $0).wanted() }).isEmpty {
            try await store.write { session in
                for call in try GateQuestions(session: session).wanted() { try session.gateCalls.put(call) }
            }
        }
        let width = settings.width
        let due = try await store.read { try $0.gateCalls.due(limit: width) }
        await withTaskGroup(of: Void.self) { group in
            for call in due {
                group.addTask {
                    do { try await ask(call, client) } catch is CancellationError {} catch {
                        logger.error("a gate could not be asked about", metadata: ["call": "\(call.id)", "error": "\(error)"])
                    }
                }
            }
        }
        // One that could not even be noted as failed is due still: not at once, for whatever is in its way.
        guard let next = try await store.read({ try $0.gateCalls.nextDue() }) else { return Self.idle }
        return .milliseconds(max(due.count == width ? 0 : 50, Int64(next.timeIntervalSince(store.now()) * 1000)))
    }

    private enum Outcome: Sendable {
        case answered(passed: Bool, message: String)
        case told
        case failed(String)
        /// It wants no more of it.
        case refused(String)
    }

    private func ask(_ call: GateCallRow, _ client: HTTPClient) async throws {
        let (isAnswered, obstacle, composed) = try await store.read { session in
            let questions = GateQuestions(session: session)
            return (
                try questions.isAnswered(call), try questions.obstacle(call),
                try questions.compose(call, callbackBase: callbackBase)
            )
        }
        if isAnswered {
            _ = try await store.write { try $0.gateCalls.end(plan: call.plan, gate: call.gate, .answered) }
            return
        }
        guard obstacle == nil, let (url, question) = composed else {
            return try await giveUp(call, obstacle ?? "the plan has no such gate")
        }
        let outcome = await post(question, to: url, call, client)
        try Task.checkCancellation()
        switch outcome {
        case .answered(let passed, let message):
            do {
                try await store.write { [answers] session in
                    // Somebody may have answered otherwise meanwhile; the newest word counts.
                    try answers.answer(
                        call.gate, of: call.plan, passed: passed, message: message, by: .gate(call.gate), in: session)
                    try session.gateCalls.end(plan: call.plan, gate: call.gate, .answered)
                }
            } catch let error as APIError { try await giveUp(call, error.message) }
        case .told:
            try await store.write { session in
                guard try session.gateCalls.end(plan: call.plan, gate: call.gate, .told) else { return }
                try session.audit.append(
                    actor: Self.actor, action: "gate.ask", subject: question.data.environment, detail: call.detail)
            }
        case .failed(let reason) where call.attempts + 1 < settings.mostAttempts:
            let ceiling = min(settings.cap, settings.first * Double(1 << min(call.attempts, 30)))
            let delay = settings.draw(ceiling)
            logger.notice(
                "a gate's system did not take the question",
                metadata: [
                    "gate": "\(call.gate)", "plan": "\(call.plan)", "attempt": "\(call.attempts + 1)", "reason": "\(reason)",
                ])
            try await store.write { session in
                try session.gateCalls.failed(call, error: reason, nextAt: session.now + delay)
            }
        case .failed(let reason), .refused(let reason): try await giveUp(call, reason)
        }
    }

    private func giveUp(_ call: GateCallRow, _ reason: String) async throws {
        try await store.write { session in
            guard try session.gateCalls.end(plan: call.plan, gate: call.gate, .givenUp, error: reason) else { return }
            let environment = try session.plans.find(call.plan)?.plan.environment ?? ""
            try session.audit.append(
                actor: Self.actor, action: "gate.give_up", subject: environment,
                detail: call.detail.merging(["reason": .string(reason)]) { $1 })
        }
        logger.warning("a gate is not asked about any more", metadata: ["gate": "\(call.gate)", "reason": "\(reason)"])
    }

    private func post(_ question: GateAPI.Question, to url: String, _ call: GateCallRow, _ client: HTTPClient) async -> Outcome {
        do {
            let body = try WireCoding.encode(question)
            let seconds = Int64(store.now().timeIntervalSince1970)
            var request = HTTPClientRequest(url: url)
            request.method = .POST
            request.headers = [
                "content-type": "application/json", "user-agent": "flowforged/\(FlowForgeVersion.current)",
                "webhook-id": call.id.description, "webhook-timestamp": "\(seconds)",
                "webhook-signature": keys.signature(
                    environment: question.data.environment, gate: call.gate, id: call.id.description, timestamp: seconds,
                    body: body),
            ]
            request.body = .bytes(ByteBuffer(bytes: body))
            let sealed = request
            return try await withinTime { try await Self.exchange(sealed, client) }
        } catch is NIOTooManyBytesError {
            return .failed("its answer has more than \(Self.largestAnswer >> 10) KiB")
        } catch {
            return .failed(String("\(error)".prefix(200)))
        }
    }

    /// Of the whole exchange: AsyncHTTPClient's own deadline ends with the head of an answer, and a body that
    /// never comes would hold up the questions of all others.
    private func withinTime(_ body: @Sendable @escaping () async throws -> Outcome) async throws -> Outcome {
        let limit = settings.timeout
        return try await withThrowingTaskGroup(of: Outcome.self) { [clock] group in
            group.addTask { try await body() }
            group.addTask {
                try await clock.sleep(for: .seconds(limit))
                return .failed("it has not answered within \(limit) s")
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    private static func exchange(_ request: HTTPClientRequest, _ client: HTTPClient) async throws -> Outcome {
        let response = try await client.execute(request, timeout: .nanoseconds(Int64.max / 4))
        let bytes = try await response.body.collect(upTo: largestAnswer)
        return outcome(Int(response.status.code), Data(bytes.readableBytesView))
    }

    /// By Standard Webhooks a 2xx takes the question, 410 wants no more, and the rest is tried again.
    private static func outcome(_ status: Int, _ body: Data) -> Outcome {
        switch status {
        case 200..<300:
            guard let word = GateWord(body) else { return .told }
            return .answered(passed: word.passed, message: word.message)
        case 300..<400: return .failed("it answered \(status); redirects are not followed")
        case 410: return .refused("it answered 410: it wants no questions")
        default: return .failed("it answered \(status)")
        }
    }

    static func client() -> HTTPClient {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .seconds(10)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
}

extension GateCallRow {
    fileprivate var detail: [String: JSONValue] {
        ["plan": .string(plan), "gate": .string(gate), "call": .string(id.description)]
    }
}

extension Actor {
    /// Another system, by the gate that asks it.
    static func gate(_ name: String) -> Actor { .system("gate \(name)") }
}
