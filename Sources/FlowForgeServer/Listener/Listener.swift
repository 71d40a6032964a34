internal import FlowForgeProtocol
internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import ServiceLifecycle

/// One port: TLS, HTTP/1.1 and a router behind it.
struct Listener<Responder: HTTPResponder>: Service
where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    /// As the configuration calls it, for messages.
    let name: String
    let address: ListenAddress
    let tls: ServerTLS
    let trustDomain: String
    let limits: ConnectionLimits
    let mostConnections: Int
    let responder: Responder
    let refused: @Sendable (HandshakeRefusal) -> Void
    let port = BoundPort()
    let logger: Logger

    func run() async throws {
        let http = HTTP1Channel.Configuration(
            idleTimeout: .nanoseconds(limits.idle.nanoseconds),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes, maxHeaderFieldCount: 100))
        let application = Application(
            responder: responder,
            server: HTTPServerBuilder { responder in
                SecureChannel(
                    http: HTTP1Channel(responder: responder, configuration: http), tls: tls, trustDomain: trustDomain,
                    limits: limits, refused: refused)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port), serverName: nil, backlog: 4096,
                availableConnectionsDelegate: MaximumAvailableConnections(mostConnections)),
            onServerRunning: { channel in port.settle(.success(channel.localAddress?.port ?? address.port)) },
            logger: logger)
        do {
            try await application.run()
        } catch let error as IOError {
            let fault = StartUpFault.listen(key: name, address: address, code: error.errnoCode)
            port.settle(.failure(fault))
            throw fault
        } catch {
            port.settle(.failure(error))
            throw error
        }
        port.settle(.failure(CancellationError()))
    }
}

/// Where a listener listens.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    public var host: String
    /// 0 lets the kernel choose.
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// `host:port`, `[v6 address]:port`.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// What a client may take its time for.
public struct ConnectionLimits: Sendable {
    /// From the connection, or from the last answer, to the head of the next request; also the longest
    /// pause within a body. A request that is being answered is not idle.
    public var idle: Duration = .seconds(60)
    /// From the head of a request to the end of its body.
    public var body: Duration = .seconds(30)
    /// Bytes of a request's head.
    public var headerBytes = 32 << 10
    /// Open connections of each listener; more wait in the kernel's queue until one closes. As
    /// many as four are accepted at a time, so the limit may be passed by three.
    public var agents = 20_000
    public var operators = 2_000

    public init() {}
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
