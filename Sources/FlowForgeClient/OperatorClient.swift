internal import AsyncHTTPClient
public import FlowForgeProtocol
import NIOCore

/// The operator API of one control plane, one method a route.
///
/// Every method throws `APIError` for what the control plane refuses and ``ClientError`` where no
/// answer could be had. A GET is repeated once when the connection failed; nothing else is ever
/// repeated. Safe to use from many tasks at once; end with ``shutdown()``.
public final class OperatorClient: Sendable {
    public let address: ServerAddress
    let token: Secret
    let http: HTTPClient
    /// For a whole answer, long polls get what they wait for on top.
    let timeout: Duration

    public init(
        address: ServerAddress, trust: ServerTrust, token: Secret, timeout: Duration = .seconds(30)
    ) throws(ClientError) {
        self.address = address
        self.token = token
        self.timeout = timeout
        var configuration = HTTPClient.Configuration(tlsConfiguration: try trust.tlsConfiguration())
        configuration.httpVersion = .http1Only
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .nanoseconds(min(.seconds(10), timeout).nanoseconds)
        // The time limit of a request ends with the answer's head; a line that dies later must not hang. No
        // long poll is held that long.
        configuration.timeout.read = .seconds(90)
        // Its own retries would hide that the server is down until the deadline.
        configuration.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Closes the connections. No method may be called afterwards.
    public func shutdown() async {
        // Fails only when it was shut down before, which is what is wanted.
        try? await http.shutdown()
    }

    /// Runs `body` with a client and shuts it down, whatever happens.
    public static func with<Result>(
        address: ServerAddress, trust: ServerTrust, token: Secret, timeout: Duration = .seconds(30),
        isolation: isolated (any Actor)? = #isolation, _ body: (OperatorClient) async throws -> Result
    ) async throws -> Result {
        let client = try OperatorClient(address: address, trust: trust, token: token, timeout: timeout)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }
}

extension Duration {
    /// Saturating; negative durations count as none.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        guard seconds < 1_000_000_000 else { return 1_000_000_000_000_000_000 }
        return max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
