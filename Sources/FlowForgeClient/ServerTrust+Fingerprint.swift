import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

extension ServerTrust {
    /// Asks the server for its certificate chain and returns the one certificate in it that has this
    /// fingerprint, as PEM to be pinned.
    ///
    /// Nothing is sent to the server but the handshake, which is broken off once the chain is seen.
    /// That the server really holds a certificate of this CA is proved by the first connection that
    /// pins it: a server can show a foreign CA certificate, but has no key to go with it.
    public static func fetch(
        fingerprint: String, from address: ServerAddress, timeout: Duration = .seconds(10)
    ) async throws(ClientError) -> String {
        guard let wanted = normalised(fingerprint: fingerprint) else {
            throw ClientError(
                .invalidTrust, "'\(fingerprint.prefix(100))' is no fingerprint of a certificate",
                hint: "it reads sha256: and 64 hexadecimal digits; `flowforged init` prints it")
        }
        let chain = try await presentedChain(by: address, timeout: timeout)
        for certificate in chain {
            guard let bytes = try? certificate.toDERBytes() else { continue }
            if Self.fingerprint(ofDER: bytes) == wanted { return pem(ofDER: bytes) }
        }
        throw ClientError(
            .notTrusted, "\(address) shows no certificate with the fingerprint \(wanted)",
            hint: "check the address and the fingerprint; if both are right, somebody else answers there")
    }

    private static func presentedChain(
        by address: ServerAddress, timeout: Duration
    ) async throws(ClientError) -> [NIOSSLCertificate] {
        let seen = Mutex<[NIOSSLCertificate]>([])
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            let context = try NIOSSLContext(configuration: configuration)
            let isAddress = (try? SocketAddress(ipAddress: address.host, port: address.port)) != nil
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(Int64(timeout / .nanoseconds(1))))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let tls = try NIOSSLClientHandler(
                            context: context, serverHostname: isAddress ? nil : address.host,
                            customVerificationCallback: { chain, promise in
                                seen.withLock { $0 = chain }
                                promise.succeed(.failed)
                            })
                        try channel.pipeline.syncOperations.addHandlers([tls, CloseOnError()])
                    }
                }
                .connect(host: address.host, port: address.port).get()
            // A server that accepts and then says nothing must not hold us for ever.
            let alarm = channel.eventLoop.scheduleTask(in: .nanoseconds(Int64(timeout / .nanoseconds(1)))) {
                channel.close(promise: nil)
            }
            try await channel.closeFuture.get()
            alarm.cancel()
        } catch {
            throw ClientError(error, reaching: address)
        }
        let chain = seen.withLock { $0 }
        guard !chain.isEmpty else {
            throw ClientError(
                .unexpectedAnswer, "\(address) answers, but not with TLS",
                hint: "check the port: it must be that of the operator API")
        }
        return chain
    }

    private static func pem(ofDER bytes: [UInt8]) -> String {
        let text = Data(bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return "-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n"
    }
}

/// The refused handshake arrives as an error; the chain has been seen by then.
private final class CloseOnError: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
