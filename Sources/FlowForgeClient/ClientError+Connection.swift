import AsyncHTTPClient
import NIOCore
import NIOPosix
import NIOSSL

extension ClientError {
    /// Plain words for what the network libraries throw. Unknown errors count as unreachable and keep
    /// their own text.
    init(_ error: any Error, reaching address: ServerAddress) {
        switch error {
        case let error as ClientError:
            self = error
        case let error as HTTPClientError:
            self.init(error, reaching: address)
        case let error as NIOConnectionError where error.connectionErrors.isEmpty:
            self.init(
                .nameNotFound, "the name '\(address.host)' is not known",
                hint: "check the address in `flowforge context show`, and the network's name service")
        case let error as NIOConnectionError:
            let refused = error.connectionErrors.contains { ($0.error as? IOError)?.errnoCode == ECONNREFUSED }
            let timedOut = error.connectionErrors.contains { $0.error is ChannelError }
            self = refused ? .down(address) : timedOut ? .slow(address) : .blocked(address, error.connectionErrors.first?.error)
        case let error as IOError where error.errnoCode == ECONNREFUSED:
            self = .down(address)
        case is SocketAddressError.UnknownHost:
            self.init(
                .nameNotFound, "the name '\(address.host)' is not known",
                hint: "check the address in `flowforge context show`, and the network's name service")
        case let error as IOError where [ECONNRESET, EPIPE].contains(error.errnoCode):
            self = .broken(address)
        case ChannelError.connectTimeout:
            self = .slow(address)
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            self.init(
                .notTrusted, "the certificate of \(address) is made out to other names than '\(address.host)'",
                hint: "use a name that the certificate has, or add this one to the server's configuration")
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            self = .tls(error, address)
        default:
            self = .blocked(address, error)
        }
    }

    private init(_ error: HTTPClientError, reaching address: ServerAddress) {
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .deadlineExceeded, .readTimeout, .writeTimeout,
            .getConnectionFromPoolTimeout, .requestStreamCancelled:
            self = .slow(address)
        case .remoteConnectionClosed, .uncleanShutdown:
            self = .broken(address)
        default:
            self = .blocked(address, error)
        }
    }

    private static func down(_ address: ServerAddress) -> Self {
        Self(
            .unreachable, "nothing listens at \(address)",
            hint:
                "is the control plane running? start it with `flowforged serve`, or check the address with `flowforge context show`"
        )
    }

    private static func slow(_ address: ServerAddress) -> Self {
        Self(
            .timedOut, "\(address) did not answer in time",
            hint: "check the network and the server's log; --timeout SECONDS waits longer")
    }

    private static func broken(_ address: ServerAddress) -> Self {
        Self(
            .interrupted, "\(address) closed the connection before it answered",
            hint: "it may be restarting; check what was done before repeating the command")
    }

    private static func blocked(_ address: ServerAddress, _ error: (any Error)?) -> Self {
        Self(
            .unreachable, "\(address) cannot be reached" + (error.map { ": \($0)" } ?? ""),
            hint: "check the address and the network")
    }

    private static func tls(_ error: any Error, _ address: ServerAddress) -> Self {
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("unableToValidateCertificate") {
            return Self(
                .notTrusted, "the certificate of \(address) is not from the CA that this context trusts",
                hint:
                    "if the server was set up anew, log in again with its --ca-fingerprint; otherwise somebody else answers there"
            )
        }
        if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
            return Self(
                .unexpectedAnswer, "\(address) answers, but not with TLS",
                hint: "check the port: it must be that of the operator API")
        }
        if text.contains("CERTIFICATE_REQUIRED") || text.contains("BAD_CERTIFICATE") {
            return Self(
                .unexpectedAnswer, "\(address) asks for a client certificate",
                hint: "that is the agent API; use the port of the operator API")
        }
        return Self(
            .notTrusted, "no secure connection to \(address) came about: \(text)",
            hint: "check the address, the port and the CA certificate")
    }
}
