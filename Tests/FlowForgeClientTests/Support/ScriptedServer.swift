import FlowForgeClient
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// An HTTPS server on loopback that answers what the test tells it to.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        var method: HTTPMethod
        var uri: String
        var headers: HTTPHeaders
        var body: Data
        var path: String { String(uri.split(separator: "?").first ?? "") }
    }

    enum Reply: Sendable {
        case json(HTTPResponseStatus, Data)
        /// Closes the connection without a word.
        case hangUp
        /// Says nothing for ever.
        case silence

        static func ok(_ value: some Encodable) -> Reply { .json(.ok, (try? WireCoding.encode(value)) ?? Data()) }
        static func created(_ value: some Encodable) -> Reply { .json(.created, (try? WireCoding.encode(value)) ?? Data()) }
        static func refused(_ status: HTTPResponseStatus, _ error: APIError) -> Reply {
            .json(status, (try? WireCoding.encode(ErrorBody(error))) ?? Data())
        }
        static let notFound = Reply.refused(.notFound, APIError(.notFound, "no such thing", hint: "look elsewhere"))
    }

    typealias Script = @Sendable (Request) -> Reply

    let certificates: TestCertificates
    private let channel: any Channel
    private let log: RequestLog

    var port: Int { channel.localAddress?.port ?? 0 }
    var url: String { "https://127.0.0.1:\(port)" }
    var requests: [Request] { log.all }

    private init(certificates: TestCertificates, script: @escaping Script) async throws {
        self.certificates = certificates
        let chain = try NIOSSLCertificate.fromPEMBytes(Array((certificates.leafPEM + "\n" + certificates.caPEM).utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(certificates.keyPEM.utf8), format: .pem)
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
        let log = RequestLog()
        self.log = log
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandler(Responder(script: script, log: log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    @discardableResult
    static func with<Result>(
        certificates: TestCertificates? = nil, _ script: @escaping Script, _ body: (ScriptedServer) async throws -> Result
    ) async throws -> Result {
        let server = try await ScriptedServer(certificates: certificates ?? TestCertificates(), script: script)
        do {
            let result = try await body(server)
            try await server.channel.close()
            return result
        } catch {
            try? await server.channel.close()
            throw error
        }
    }

    /// Runs `body` with a client that pins this server's CA.
    @discardableResult
    func client<Result>(timeout: Duration = .seconds(10), _ body: (OperatorClient) async throws -> Result) async throws -> Result
    {
        try await OperatorClient.with(
            address: ServerAddress(url), trust: .pinned(certificates.caPEM), token: Secret("test-token"), timeout: timeout, body)
    }
}

final class RequestLog: Sendable {
    private let requests = Mutex<[ScriptedServer.Request]>([])
    var all: [ScriptedServer.Request] { requests.withLock { $0 } }
    func append(_ request: ScriptedServer.Request) { requests.withLock { $0.append(request) } }
}

private final class Responder: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let script: ScriptedServer.Script
    private let log: RequestLog
    private var head: HTTPRequestHead?
    private var body = Data()

    init(script: @escaping ScriptedServer.Script, log: RequestLog) {
        self.script = script
        self.log = log
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = Data()
        case .body(let piece): body.append(contentsOf: piece.readableBytesView)
        case .end:
            guard let head else { return }
            let request = ScriptedServer.Request(method: head.method, uri: head.uri, headers: head.headers, body: body)
            log.append(request)
            reply(script(request), context)
        }
    }

    private func reply(_ reply: ScriptedServer.Reply, _ context: ChannelHandlerContext) {
        switch reply {
        case .json(let status, let bytes):
            let headers: HTTPHeaders = ["Content-Type": "application/json", "Content-Length": "\(bytes.count)"]
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
            if head?.method != .HEAD {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        case .hangUp: context.close(promise: nil)
        case .silence: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
