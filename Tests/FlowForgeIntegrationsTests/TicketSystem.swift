import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// Somebody else's system, on a port of this machine: notes what it is asked and answers as it is told to.
final class TicketSystem: Sendable {
    struct Asked: Sendable {
        var id: String
        var timestamp: String
        var signature: String
        var body: Data

        func question() throws -> GateAPI.Question { try WireCoding.decode(GateAPI.Question.self, from: body) }
    }

    struct Reply: Sendable {
        var status: HTTPResponse.Status = .ok
        var headers: HTTPFields = [:]
        var body = ""
        /// The head of the answer comes, and its body does not.
        var isHeld = false
        static func says(_ passed: Bool, _ message: String) -> Reply {
            Reply(body: #"{"passed":\#(passed),"message":"\#(message)"}"#)
        }
        static let later = Reply(status: .accepted)
    }

    private let asked = Mutex<[Asked]>([])
    private let reply: Mutex<Reply>
    private let end = Doorbell()

    init(_ reply: Reply) { self.reply = Mutex(reply) }

    var questions: [Asked] { asked.withLock { $0 } }
    func answer(_ new: Reply) { reply.withLock { $0 = new } }

    /// Listens on `port`, else one of the kernel's choosing, while `body` runs with it.
    func serving<Result: Sendable>(
        on port: Int = 0, _ body: @escaping @Sendable (_ port: Int) async throws -> Result
    ) async throws -> Result {
        let router = Router()
        router.post("**") { [self] request, _ -> Response in
            let bytes = try await request.body.collect(upTo: 1 << 20)
            func header(_ name: String) -> String { request.headers.first { $0.name.canonicalName == name }?.value ?? "" }
            asked.withLock {
                $0.append(
                    Asked(
                        id: header("webhook-id"), timestamp: header("webhook-timestamp"), signature: header("webhook-signature"),
                        body: Data(bytes.readableBytesView)))
            }
            let reply = reply.withLock { $0 }
            guard reply.isHeld else {
                return Response(
                    status: reply.status, headers: reply.headers, body: .init(byteBuffer: ByteBuffer(string: reply.body)))
            }
            let body = ResponseBody { writer in
                try await writer.write(ByteBuffer(string: " "))
                await self.end.wait()
                try await writer.finish(nil)
            }
            return Response(status: reply.status, headers: reply.headers, body: body)
        }
        let (ports, found) = AsyncStream.makeStream(of: Int.self)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)),
            onServerRunning: { channel in found.yield(channel.localAddress?.port ?? 0) }, logger: quiet)
        let group = ServiceGroup(configuration: .init(services: [application], logger: quiet))
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { found.finish() }
                try await group.run()
            }
            var iterator = ports.makeAsyncIterator()
            guard let port = await iterator.next() else {
                try await tasks.waitForAll()
                throw CancellationError()
            }
            let result: Swift.Result<Result, any Error>
            do { result = .success(try await body(port)) } catch { result = .failure(error) }
            end.ring()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            return try result.get()
        }
    }
}
