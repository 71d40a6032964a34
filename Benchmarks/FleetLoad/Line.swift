import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// What a connection tells its owner, on the event loop.
protocol LineOwner: AnyObject {
    /// The TLS handshake is complete.
    func opened(_ line: Line)
    func answered(_ line: Line, _ answer: AnswerReader.Answer)
    /// It never opened, or is gone. Said once, and the last word.
    func closed(_ line: Line, _ error: (any Error)?)
}

/// One connection to the control plane: TLS, and one HTTP request at a time. All of the fleet runs on
/// one event loop, so nothing here is locked.
final class Line: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private weak var owner: (any LineOwner)?
    private var context: ChannelHandlerContext?
    private var reader = AnswerReader()
    private var error: (any Error)?
    private var isOver = false

    init(owner: any LineOwner) { self.owner = owner }

    /// The answer comes to the owner as ``LineOwner/closed(_:_:)`` or ``LineOwner/opened(_:)``.
    func open(to server: Server, tls: TLSConfiguration, on loop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .connectTimeout(.seconds(10))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 65536))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOSSLClientHandler(context: NIOSSLContext(configuration: tls), serverHostname: nil), bound.value,
                    ])
                }
            }
            .connect(host: server.host, port: server.port)
            .assumeIsolated().whenFailure { self.end($0) }
    }

    func send(_ request: ByteBuffer) {
        guard let context, !isOver else { return }
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
    }

    func close() { context?.close(promise: nil) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event { owner?.opened(self) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.add(unwrapInboundIn(data))
        do {
            while let answer = try reader.next() {
                owner?.answered(self, answer)
                if answer.isLast { context.close(promise: nil) }
            }
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that went away without a goodbye says nothing about what went wrong before.
        if self.error == nil, !(error is NIOSSLExtraError) { self.error = error }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { end(error) }

    private func end(_ error: (any Error)?) {
        guard !isOver else { return }
        isOver = true
        owner?.closed(self, error)
    }
}

struct Server: Sendable {
    var host: String
    var port: Int

    /// A whole request to the agent API, ready to be sent.
    func post(_ name: String, _ body: some Sequence<UInt8>) -> ByteBuffer {
        let body = Array(body)
        var request = ByteBuffer()
        request.writeString(
            "POST /agent/v1/\(name) HTTP/1.1\r\nhost: \(host):\(port)\r\ncontent-type: application/json\r\n"
                + "content-length: \(body.count)\r\n\r\n")
        request.writeBytes(body)
        return request
    }
}
