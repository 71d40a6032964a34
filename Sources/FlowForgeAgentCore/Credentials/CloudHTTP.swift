import AsyncHTTPClient
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOHTTP1

/// Short exchanges with the services of a cloud. Each has a client of its own, so that nothing of it stays.
struct CloudHTTP: Sendable {
    var proxies = ProxyRules.direct
    /// For an exchange as a whole.
    var timeout = Duration.seconds(10)
    private static let largestAnswer = 1 << 20

    struct Request: Sendable {
        var method = "GET"
        var url: String
        var headers: [String: String] = [:]
        var body = Data()
        /// Metadata services are next to the machine, never behind a proxy.
        var isLocal = false
    }

    struct Answer: Sendable {
        var status: Int
        var body: Data
    }

    /// Throws a passing ``CredentialFault`` where there is no answer, and `CancellationError`.
    func send(_ request: Request) async throws -> Answer {
        guard let url = URLComponents(string: request.url), let host = url.host, !host.isEmpty else {
            throw CredentialFault(
                reason: "the service's address cannot be read", hint: "look at credentials of the agent's configuration")
        }
        let client = HTTPClient(
            eventLoopGroupProvider: .shared(HTTPClient.defaultEventLoopGroup), configuration: configuration(url, request))
        let result: Result<Answer, any Error>
        do {
            result = .success(try await withDeadline(timeout) { try await Self.exchange(request, client) })
        } catch {
            result = .failure(error)
        }
        do { try await client.shutdown() } catch { assertionFailure("\(error)") }
        switch result {
        case .success(let answer): return answer
        case .failure:
            if Task.isCancelled { throw CancellationError() }
            throw CredentialFault(
                reason: "\(request.isLocal ? "the machine's metadata service" : host) does not answer",
                hint: "check that the agent's machine can reach it", isPassing: true)
        }
    }

    private static func exchange(_ request: Request, _ client: HTTPClient) async throws -> Answer {
        var outgoing = HTTPClientRequest(url: request.url)
        outgoing.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers where name != "host" { outgoing.headers.add(name: name, value: value) }
        if !request.body.isEmpty { outgoing.body = .bytes(ByteBuffer(bytes: request.body)) }
        let response = try await client.execute(outgoing, timeout: .nanoseconds(Int64.max / 4))
        let body = try await response.body.collect(upTo: largestAnswer)
        return Answer(status: Int(response.status.code), body: Data(body.readableBytesView))
    }

    private func configuration(_ url: URLComponents, _ request: Request) -> HTTPClient.Configuration {
        // A redirect would carry a token to a place that nobody named.
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.retryConnectionEstablishment = false
        let port = url.port ?? (url.scheme == "http" ? 80 : 443)
        if !request.isLocal, let proxy = proxies.proxy(host: url.host ?? "", port: port) {
            configuration.proxy = .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.user.map { .basic(username: $0, password: proxy.password?.reveal() ?? "") },
                connectHeaders: [:])
        }
        return configuration
    }
}

extension CloudHTTP.Answer {
    /// Throws for an answer that is no JSON of the expected form; its text is not quoted.
    func decode<Value: Decodable>(_ type: Value.Type) throws(CredentialFault) -> Value {
        guard let value = try? JSONDecoder().decode(type, from: body) else {
            throw CredentialFault(
                reason: "the service's answer (HTTP \(status)) cannot be read",
                hint: "is something else listening at that address?")
        }
        return value
    }
}
