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

/// A port of this machine that nobody listens on, and that nobody else gets; a ``TicketSystem`` may serve on it.
final class HeldPort: Sendable {
    private let descriptor: Int32
    let number: Int

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var (address, length, isShared) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size), Int32(1))
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        // With this, another socket may listen on it; and the kernel gives it to nobody who asks for any port.
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isShared, socklen_t(MemoryLayout<Int32>.size))
        let descriptor = descriptor
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        number = Int(in_port_t(bigEndian: address.sin_port))
        guard bound else { throw POSIXError(.EADDRNOTAVAIL) }
    }

    deinit { close(descriptor) }
}
