import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix

/// Turns what the network libraries throw into ``LinkError``: what failed, where, what to do.
enum LinkFault {
    static func explain(_ error: any Error, settings: LinkSettings) -> any Error {
        let place = "\(settings.host):\(settings.port)"
        switch error {
        case is LinkError, is CancellationError, is BlobRangeRefused, is SpoolError, is CacheError: return error
        case let error as HTTPClientError: return explain(error, place, settings)
        case let error as NIOConnectionError:
            if error.dnsAError != nil || error.dnsAAAAError != nil, error.connectionErrors.isEmpty {
                return LinkError.unreachable("\(settings.proxy?.host ?? settings.host): no such host in DNS")
            }
            let reason = error.connectionErrors.first.map { brief($0.error) } ?? "no address answered"
            return LinkError.unreachable("\(connectPlace(settings)): \(reason)")
        case let error as IOError:
            return LinkError.unreachable("\(connectPlace(settings)): \(String(cString: strerror(error.errnoCode)))")
        default: return LinkError.unreachable("\(place): \(tls(error))")
        }
    }

    private static func explain(_ error: HTTPClientError, _ place: String, _ settings: LinkSettings) -> LinkError {
        let proxy = settings.proxy.map { "\($0.host):\($0.port)" } ?? "the proxy"
        switch error {
        case .proxyAuthenticationRequired:
            return .unreachable(
                "proxy \(proxy) wants a user and password (407); write http://user:password@host:port in the proxy's setting")
        case .invalidProxyResponse: return .unreachable("proxy \(proxy) refused to connect to \(place)")
        case .httpProxyHandshakeTimeout: return .unreachable("proxy \(proxy) did not answer CONNECT \(place)")
        case .deadlineExceeded, .readTimeout, .writeTimeout: return .timedOut
        case .connectTimeout: return .unreachable("\(connectPlace(settings)): no connection in time")
        case .tlsHandshakeTimeout: return .unreachable("\(place): TLS handshake not done in time; is this the agent API's port?")
        case .remoteConnectionClosed, .uncleanShutdown:
            return .unreachable("\(place): the connection was closed before the answer")
        default: return .unreachable("\(place): \(brief(error))")
        }
    }

    private static func connectPlace(_ settings: LinkSettings) -> String {
        settings.proxy.map { "proxy \($0.host):\($0.port)" } ?? "\(settings.host):\(settings.port)"
    }

    /// TLS libraries name their reasons in one line of text and nowhere else.
    static func tls(_ error: any Error) -> String {
        let text = String(describing: error)
        let reasons = [
            (
                "CERTIFICATE_VERIFY_FAILED",
                "the server's certificate is not signed by a trusted authority; check ca_file, or join again"
            ),
            ("failedToValidateHostname", "the server's certificate is for another host name"),
            ("unableToValidateCertificate", "the server's certificate is for another host name"),
            ("WRONG_VERSION_NUMBER", "the other side does not speak TLS; is this the agent API's port?"),
            ("CERTIFICATE_EXPIRED", "the server says that this agent's certificate has expired; join again"),
            ("UNKNOWN_CA", "the server does not know the authority of this agent's certificate; join again"),
            ("CERTIFICATE_REQUIRED", "the server wants a client certificate; join first"),
            ("SSLV3_ALERT_", "the server refused this agent's certificate"),
            ("TLSV1_ALERT_", "the server refused the TLS handshake"),
            ("UNEXPECTED_EOF", "the connection was closed during the TLS handshake"),
        ]
        return reasons.first { text.contains($0.0) }?.1 ?? brief(error)
    }

    private static func brief(_ error: any Error) -> String {
        if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
        return String(String(describing: error).prefix(200))
    }
}
