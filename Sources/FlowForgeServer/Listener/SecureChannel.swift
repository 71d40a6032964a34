internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOSSL

/// HTTP/1.1 over TLS, with the peer known to the requests (``Connection/current``).
struct SecureChannel: HTTPChannelHandler {
    struct Value: ServerChildChannelValue {
        let http: HTTP1Channel.Value
        let connection: Connection
        var channel: any Channel { http.channel }
    }

    let http: HTTP1Channel
    let tls: ServerTLS
    let trustDomain: String
    let limits: ConnectionLimits
    let refused: @Sendable (HandshakeRefusal) -> Void

    var responder: Responder { http.responder }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let connection = Connection(channel: channel, limits: limits)
        return channel.eventLoop.makeCompletedFuture {
            // A parked poll must not hold the memory of the largest answer that its connection has seen.
            var buffers = NIOSSLHandler.Configuration()
            buffers.maximumPreservedOutboundBufferCapacity = 1024
            try channel.pipeline.syncOperations.addHandlers([
                NIOSSLServerHandler(context: tls.freshContext(), configuration: buffers),
                ConnectionHandler(connection: connection, trustDomain: trustDomain, refused: refused),
            ])
        }.flatMap { http.setup(channel: channel, logger: logger) }.map { Value(http: $0, connection: connection) }
    }

    func handle(value: Value, logger: Logger) async {
        await Connection.$current.withValue(value.connection) { await http.handle(value: value.http, logger: logger) }
    }
}
