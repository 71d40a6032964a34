internal import FlowForgeFleet
internal import FlowForgeProtocol
internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Watches one connection behind the TLS handler: identifies the peer when the handshake is complete,
/// and notices when it goes away.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: Connection
    private let trustDomain: String
    private let refused: @Sendable (HandshakeRefusal) -> Void
    private var isEstablished = false

    init(connection: Connection, trustDomain: String, refused: @escaping @Sendable (HandshakeRefusal) -> Void) {
        self.connection = connection
        self.trustDomain = trustDomain
        self.refused = refused
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted:
            isEstablished = true
            connection.identify(peer(context))
        case ChannelEvent.inputClosed: connection.close()
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.close()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isEstablished, let refusal = refusal(context, error) { refused(refusal) }
        connection.close()
        context.fireErrorCaught(error)
    }

    private func peer(_ context: ChannelHandlerContext) -> Connection.Peer {
        guard let der = certificate(context) else { return .anonymous }
        return AgentCertificate(der: der, trustDomain: trustDomain).map(Connection.Peer.agent) ?? .unrecognized
    }

    private func certificate(_ context: ChannelHandlerContext) -> [UInt8]? {
        guard let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self),
            let certificate = handler.peerCertificate
        else { return nil }
        return try? certificate.toDERBytes()
    }

    /// Only refusals of a certificate are of interest: port scanners break handshakes all day.
    private func refusal(_ context: ChannelHandlerContext, _ error: any Error) -> HandshakeRefusal? {
        let text = "\(error)"
        guard text.contains("CERTIFICATE_VERIFY_FAILED") else { return nil }
        return HandshakeRefusal(
            address: context.remoteAddress.map { "\($0)" } ?? "unknown address",
            certificate: certificate(context).flatMap { AgentCertificate(der: $0, trustDomain: trustDomain) })
    }
}

/// A client certificate that the TLS handshake did not take.
struct HandshakeRefusal: Sendable {
    var address: String
    /// What it said, unverified; `nil` when it is none of an agent of this trust domain.
    var certificate: AgentCertificate?
}
