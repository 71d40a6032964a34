internal import NIOCore
internal import NIOSSL
internal import Synchronization

/// The TLS settings of a listener, which may change while it listens: new connections take the new
/// ones, old connections stay.
final class ServerTLS: Sendable {
    private let configuration: Mutex<TLSConfiguration>

    init(_ configuration: TLSConfiguration) { self.configuration = Mutex(configuration) }

    func replace(_ new: TLSConfiguration) { configuration.withLock { $0 = new } }

    /// A context of its own for each connection (15 µs, 4 KB). The keys of session tickets live in the
    /// context; so no ticket of another connection is ever taken, and a client whose certificate has
    /// expired or was revoked cannot come back with a ticket and without showing the certificate.
    func freshContext() throws -> NIOSSLContext {
        try NIOSSLContext(configuration: configuration.withLock { $0 })
    }

    /// TLS 1.3 only. With `clients`, a client may show a certificate that one of these roots signed; a
    /// certificate of any other CA ends the handshake, and one without a certificate is anonymous.
    static func configuration(chain: [NIOSSLCertificate], key: NIOSSLPrivateKey, clients: [NIOSSLCertificate]?)
        -> TLSConfiguration
    {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["http/1.1"]
        // How long a closed connection waits for the peer's own goodbye. Idle clients often do not
        // say any, and stopping must not wait for them (5 s by default).
        configuration.shutdownTimeout = .milliseconds(500)
        if let clients {
            configuration.certificateVerification = .optionalVerification
            configuration.trustRoots = .certificates(clients)
        }
        return configuration
    }
}
