import FlowForgeTestSupport
import NIOCore
import Synchronization

/// Requests that run beside the test; their answers are collected at the end.
final class Answers: Sendable {
    private let tasks = Mutex<[Task<TestAgent.Answer?, Never>]>([])

    func start(_ request: @escaping @Sendable () async throws -> TestAgent.Answer) {
        tasks.withLock { $0.append(Task { try? await request() }) }
    }

    /// `nil` for a request that got no answer.
    func all() async -> [TestAgent.Answer?] {
        var answers: [TestAgent.Answer?] = []
        for task in tasks.withLock({ $0 }) { answers.append(await task.value) }
        return answers
    }
}

/// What datagrams said, one after the other.
final class Received: Sendable {
    private let collected = Mutex("")
    var text: String { collected.withLock { $0 } }
    func append(_ more: String) { collected.withLock { $0 += more + "\n" } }
}

final class Collector: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let received: Received

    init(_ received: Received) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { received.append(String(buffer: unwrapInboundIn(data).data)) }
}
