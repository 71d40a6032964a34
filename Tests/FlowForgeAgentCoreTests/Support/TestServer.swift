import FlowForgeProtocol
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A request as a test's control plane sees it.
struct TestRequest: Sendable {
    var method: String
    var path: String
    var range: String?
    /// By their names in small letters.
    var headers: [String: String] = [:]
    var body: Data
    /// Whether a client certificate was shown.
    var hasCertificate: Bool
}

struct TestAnswer: Sendable {
    var status = 200
    var body = Data()
    /// Sends only so many bytes of the body and closes.
    var cutAfter: Int?
    /// Never answers.
    var hangs = false

    static func json(_ value: some Encodable, status: Int = 200) throws -> TestAnswer {
        TestAnswer(status: status, body: try WireCoding.encode(value))
    }
    static func refusal(_ error: APIError, status: Int) throws -> TestAnswer { try .json(ErrorBody(error), status: status) }
}

/// An HTTPS server on loopback whose answers a test writes.
final class TestServer: Sendable {
    typealias Handler = @Sendable (TestRequest) async throws -> TestAnswer
    private let channel: any Channel
    let port: Int
    var url: URL { URL(string: "https://127.0.0.1:\(port)")! }

    init(_ authority: TestAuthority, host: String? = nil, port: Int = 0, handler: @escaping Handler) async throws {
        let (chain, key) = try authority.server(host: host)
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        tls.minimumTLSVersion = .tlsv13
        tls.certificateVerification = .optionalVerification
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.rootPEM.utf8)))
        let configuration = tls
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLServerHandler(context: NIOSSLContext(configuration: configuration)))
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(Exchange(handler))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.port = channel.localAddress?.port ?? 0
    }

    /// Without TLS, as a cloud's metadata service.
    init(plain handler: @escaping Handler) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Exchange(handler))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func stop() async { try? await channel.close() }

    private final class Exchange: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let handler: Handler
        private var head: HTTPRequestHead?
        private var body = Data()

        init(_ handler: @escaping Handler) { self.handler = handler }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body = Data()
            case .body(let buffer): body.append(contentsOf: buffer.readableBytesView)
            case .end: answer(context)
            }
        }

        private func answer(_ context: ChannelHandlerContext) {
            guard let head else { return }
            let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
            let request = TestRequest(
                method: head.method.rawValue, path: head.uri, range: head.headers.first(name: "range"),
                headers: Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { "\($0),\($1)" }, body: body,
                hasCertificate: certificate != nil)
            let (handler, channel) = (handler, context.channel)
            Task {
                let answer: TestAnswer
                do { answer = try await handler(request) } catch { answer = TestAnswer(status: 500, body: Data("\(error)".utf8)) }
                if answer.hangs { return }
                var response = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status))
                response.headers.add(name: "content-length", value: String(answer.body.count))
                try? await channel.writeAndFlush(HTTPServerResponsePart.head(response))
                let bytes = answer.body.prefix(answer.cutAfter ?? answer.body.count)
                try? await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes))))
                if answer.cutAfter != nil { return try await channel.close() }
                try? await channel.writeAndFlush(HTTPServerResponsePart.end(nil))
            }
        }
    }
}

/// A proxy on loopback that knows CONNECT, and Basic authentication if told to.
final class TestProxy: Sendable {
    private let channel: any Channel
    let port: Int
    private let log: RequestLog
    /// The first lines of what was asked.
    var connects: [String] { log.all.withLock { $0 } }

    init(credentials: String? = nil) async throws {
        let log = RequestLog()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Front(credentials, log)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
        self.log = log
    }

    func stop() async { try? await channel.close() }

    private final class RequestLog: Sendable { let all = Mutex<[String]>([]) }

    private final class Front: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let credentials: String?
        private let log: RequestLog
        private var head = ""

        init(_ credentials: String?, _ log: RequestLog) {
            self.credentials = credentials
            self.log = log
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            head += String(buffer: unwrapInboundIn(data))
            guard head.contains("\r\n\r\n") else { return }
            let lines = head.components(separatedBy: "\r\n")
            log.all.withLock { $0.append(lines[0]) }
            let wanted = credentials.map { "Basic " + Data($0.utf8).base64EncodedString() }
            let given = lines.first { $0.lowercased().hasPrefix("proxy-authorization:") }?.dropFirst("proxy-authorization:".count)
                .trimmingCharacters(in: .whitespaces)
            guard wanted == nil || wanted == given else {
                let refusal =
                    "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: refusal)), promise: nil)
                context.close(promise: nil)
                return
            }
            let target = lines[0].split(separator: " ")[1].split(separator: ":")
            let near = context.channel
            let front = NIOLoopBound(self, eventLoop: context.eventLoop)
            ClientBootstrap(group: context.eventLoop)
                .channelInitializer { far in
                    far.eventLoop.makeCompletedFuture { try far.pipeline.syncOperations.addHandler(Relay(near)) }
                }
                .connect(host: String(target[0]), port: Int(target[1]) ?? 0)
                .whenSuccess { far in
                    do {
                        try near.pipeline.syncOperations.addHandler(Relay(far))
                        near.pipeline.syncOperations.removeHandler(front.value, promise: nil)
                        near.writeAndFlush(ByteBuffer(string: "HTTP/1.1 200 Connection established\r\n\r\n"), promise: nil)
                    } catch { near.close(promise: nil) }
                }
        }
    }

    private final class Relay: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        init(_ other: any Channel) { self.other = other }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }
        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    }
}
