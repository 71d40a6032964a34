import FlowForgeProtocol
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import SwiftASN1
import X509

/// Finds the authority that a person pinned, in the chain that the server presents. Nothing but the
/// TLS handshake is sent; whether the chain is sound and names the host is checked afterwards by a
/// connection that trusts this authority alone.
enum ServerPin {
    /// - Returns: PEM of the pinned authority.
    /// - Throws: ``LinkError/unreachable(_:)``, also where the server's chain lacks the pinned authority.
    static func authority(_ fingerprint: Fingerprint, settings: LinkSettings) async throws -> String {
        let proxy = settings.proxy
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let found = loop.makePromise(of: [Data].self)
        let (host, port) = (settings.host, settings.port)
        do {
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(.nanoseconds(Int64(settings.connectTimeout.inSeconds * 1e9)))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let tls: @Sendable () throws -> any ChannelHandler = { try handshake(host: host, found: found) }
                        let pipeline = channel.pipeline.syncOperations
                        if let proxy {
                            try pipeline.addHandler(Tunnel(host: host, port: port, proxy: proxy, next: tls, found: found))
                        } else {
                            try pipeline.addHandler(tls())
                        }
                        try pipeline.addHandler(Failure(found: found))
                    }
                }
                .connect(host: proxy?.host ?? host, port: proxy?.port ?? port).get()
            let timeout = loop.scheduleTask(in: .nanoseconds(Int64(settings.connectTimeout.inSeconds * 1e9))) {
                found.fail(
                    LinkError.unreachable("\(host):\(port): TLS handshake not done in time; is this the agent API's port?"))
            }
            defer { timeout.cancel() }
            let chain: [Data]
            do { chain = try await found.futureResult.get() } catch {
                channel.close(promise: nil)
                throw error
            }
            channel.close(promise: nil)
            guard let der = chain.first(where: { Fingerprint(der: $0) == fingerprint }) else {
                let last = chain.last.map { Fingerprint(der: $0).description } ?? "none"
                throw LinkError.unreachable(
                    "\(host):\(port): the server's authority is not the pinned one (\(fingerprint)); it presents \(last). Nothing was sent. Compare with flowforged's own output before you trust it"
                )
            }
            return try Certificate(derEncoded: Array(der)).serializeAsPEM().pemString
        } catch {
            found.fail(error)
            throw LinkFault.explain(error, settings: settings)
        }
    }

    private static func handshake(host: String, found: EventLoopPromise<[Data]>) throws -> NIOSSLClientHandler {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv13
        // The callback replaces the library's own verification; `.none` would skip the callback.
        tls.certificateVerification = .noHostnameVerification
        var four = in_addr()
        var six = in6_addr()
        let isAddress = inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1
        return try NIOSSLClientHandler(
            context: NIOSSLContext(configuration: tls), serverHostname: isAddress ? nil : host,
            customVerificationCallback: { chain, verdict in
                do { found.succeed(try chain.map { Data(try $0.toDERBytes()) }) } catch { found.fail(error) }
                // Seen enough: the connection ends here, whoever the server is.
                verdict.succeed(.failed)
            })
    }
}

/// Reports whatever goes wrong on the way to the handshake's end.
private final class Failure: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let found: EventLoopPromise<[Data]>

    init(found: EventLoopPromise<[Data]>) { self.found = found }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        found.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        found.fail(LinkError.unreachable("the connection was closed during the TLS handshake"))
    }
}

/// Asks an HTTP proxy for a tunnel, then makes room for `next`.
private final class Tunnel: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let host: String
    private let port: Int
    private let proxy: ProxyEndpoint
    private let next: @Sendable () throws -> any ChannelHandler
    private let found: EventLoopPromise<[Data]>
    private var answer = ""

    init(
        host: String, port: Int, proxy: ProxyEndpoint, next: @Sendable @escaping () throws -> any ChannelHandler,
        found: EventLoopPromise<[Data]>
    ) {
        self.host = host
        self.port = port
        self.proxy = proxy
        self.next = next
        self.found = found
    }

    func channelActive(context: ChannelHandlerContext) {
        let target = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        var head = "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n"
        if let user = proxy.user {
            let credentials = Data("\(user):\(proxy.password?.reveal() ?? "")".utf8).base64EncodedString()
            head += "Proxy-Authorization: Basic \(credentials)\r\n"
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head + "\r\n")), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        answer += String(buffer: unwrapInboundIn(data))
        guard answer.contains("\r\n\r\n") else {
            if answer.utf8.count > 16 << 10 { fail(context, "proxy \(proxy.host):\(proxy.port) does not answer like a proxy") }
            return
        }
        let status = answer.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        switch status {
        case _ where status.hasPrefix("2"):
            do {
                try context.pipeline.syncOperations.addHandler(next(), position: .after(self))
                context.pipeline.syncOperations.removeHandler(self, promise: nil)
            } catch { found.fail(error) }
        case "407":
            fail(
                context,
                "proxy \(proxy.host):\(proxy.port) wants a user and password (407); write http://user:password@host:port in the proxy's setting"
            )
        default: fail(context, "proxy \(proxy.host):\(proxy.port) refused to connect to \(host):\(port) (\(status))")
        }
    }

    private func fail(_ context: ChannelHandlerContext, _ text: String) {
        found.fail(LinkError.unreachable(text))
        context.close(promise: nil)
    }
}
