import AsyncHTTPClient
public import FlowForgeProtocol
public import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// The one way out of an agent: HTTPS with mutual TLS to its control plane, HTTP/1.1, through a
/// proxy where the settings say so. Nothing is retried here; ``Backoff`` belongs to the callers.
///
/// Call ``close()`` before the last reference goes.
public final class ControlPlaneLink: ControlPlane {
    private let settings: LinkSettings
    private let now: @Sendable () -> Date
    private let state: Mutex<State>

    private struct State {
        var generation: ClientGeneration
        var notAfter: Date?
    }

    /// - Parameter identity: `nil` for an agent that has yet to join; `roots` is then all it trusts.
    /// - Throws: `LinkError.unreadable` where a certificate or the key cannot be read.
    public init(
        settings: LinkSettings, identity: Identity?, roots: [String] = [], now: @escaping @Sendable () -> Date = Date.init
    ) throws {
        self.settings = settings
        self.now = now
        let client = try Self.client(settings, identity, roots)
        state = Mutex(State(generation: ClientGeneration(client), notAfter: identity?.notAfter))
    }

    /// Later exchanges use the new certificate; those under way end with the old one.
    public func adopt(_ identity: Identity) async throws {
        let next = ClientGeneration(try Self.client(settings, identity, []))
        let old = state.withLock { state in
            let old = state.generation
            state = State(generation: next, notAfter: identity.notAfter)
            return old
        }
        await old.retire()
    }

    /// Ends the link; exchanges under way are still answered.
    public func close() async { await state.withLock { $0.generation }.retire() }

    public func join(_ request: AgentAPI.JoinRequest) async throws -> AgentAPI.CertificateGrant {
        try await post("join", try WireCoding.encode(request), within: settings.answerTimeout)
    }

    public func renew(_ request: AgentAPI.RenewRequest) async throws -> AgentAPI.CertificateGrant {
        try await post("renew", try WireCoding.encode(request), within: settings.answerTimeout)
    }

    public func poll(_ request: AgentAPI.PollRequest) async throws -> AgentAPI.PollResponse {
        let limit = settings.answerTimeout + .seconds(request.waitSeconds)
        return try await post("poll", try WireCoding.encode(request), within: limit)
    }

    public func report(_ body: Data) async throws -> AgentAPI.ReportResponse {
        try await post("report", body, within: settings.answerTimeout)
    }

    public func blob(
        _ digest: String, from offset: Int64, write: @Sendable (Data) throws -> Void
    ) async throws -> Int64 {
        try await withoutActuallyEscaping(write) { write in
            let sink = BlobSink(write: write)
            return try await exchange(within: settings.blobTimeout) { client, base in
                var request = HTTPClientRequest(url: "\(base)/blobs/\(digest)")
                if offset > 0 { request.headers.add(name: "range", value: "bytes=\(offset)-") }
                let response = try await client.execute(request, timeout: .nanoseconds(Int64.max / 4))
                switch response.status {
                case .ok where offset == 0, .partialContent: break
                // The server does not know ranges, or the partial file is whole: start over is the caller's.
                case .ok, .rangeNotSatisfiable: throw BlobRangeRefused()
                default: throw try await Self.refusal(response)
                }
                var count: Int64 = 0
                for try await buffer in response.body {
                    try sink.write(Data(buffer.readableBytesView))
                    count += Int64(buffer.readableBytes)
                }
                return count
            }
        }
    }

    public func referrers(of digest: String) async throws -> ReferrerIndex {
        try await answer(to: "bundles/\(digest)/referrers", nil, within: settings.answerTimeout)
    }

    private func post<Answer: Decodable & Sendable>(_ name: String, _ body: Data, within limit: Duration) async throws -> Answer {
        try await answer(to: name, body, within: limit)
    }

    /// Of a GET where there is no body.
    private func answer<Answer: Decodable & Sendable>(
        to name: String, _ body: Data?, within limit: Duration
    ) async throws -> Answer {
        try await exchange(within: limit) { client, base in
            var request = HTTPClientRequest(url: "\(base)/\(name)")
            if let body {
                request.method = .POST
                request.headers.add(name: "content-type", value: "application/json")
                request.body = .bytes(ByteBuffer(bytes: body))
            }
            let response = try await client.execute(request, timeout: .nanoseconds(Int64.max / 4))
            guard response.status == .ok || response.status == .created else { throw try await Self.refusal(response) }
            let bytes = try await response.body.collect(upTo: AgentAPI.largestBody)
            do {
                return try WireCoding.decode(Answer.self, from: Data(bytes.readableBytesView))
            } catch {
                throw LinkError.unreadable("the answer to \(name) is not the agent API's: \(Self.brief(error))")
            }
        }
    }

    /// One exchange on the current client, with every error made a ``LinkError``.
    private func exchange<Answer: Sendable>(
        within limit: Duration, _ body: @Sendable @escaping (HTTPClient, String) async throws -> Answer
    ) async throws -> Answer {
        let (generation, notAfter) = state.withLock { ($0.generation, $0.notAfter) }
        // Over some TLS stacks a refused certificate looks like a closed connection, so look first.
        if let notAfter, notAfter <= now() { throw LinkError.certificateExpired }
        guard generation.enter() else { throw LinkError.unreachable("the link is closed") }
        let base = "https://\(settings.url.host() ?? ""):\(settings.port)\(AgentAPI.basePath)"
        let client = generation.client
        let result: Result<Answer, any Error>
        do {
            // The client's own deadline ends with the answer's head; ours also covers the body.
            result = .success(try await withDeadline(limit) { try await body(client, base) })
        } catch {
            result = .failure(error)
        }
        await generation.leave()
        switch result {
        case .success(let answer): return answer
        case .failure(let error):
            if Task.isCancelled { throw CancellationError() }
            throw LinkFault.explain(error, settings: settings)
        }
    }

    private static func refusal(_ response: HTTPClientResponse) async throws -> LinkError {
        let bytes = try await response.body.collect(upTo: 1 << 20)
        let status = Int(response.status.code)
        guard let body = try? WireCoding.decode(ErrorBody.self, from: Data(bytes.readableBytesView)) else {
            return .unreadable(
                "HTTP \(status) from something that is not FlowForge's agent API; is the url its listener, or a proxy in between?"
            )
        }
        return .refused(body.error, status: status)
    }

    private static func brief(_ error: any Error) -> String { String(String(describing: error).prefix(200)) }

    private static func client(_ settings: LinkSettings, _ identity: Identity?, _ roots: [String]) throws -> HTTPClient {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv13
        do {
            var pems = roots
            if let identity {
                pems.append(identity.trustBundle)
                tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(identity.certificate.utf8)).map {
                    .certificate($0)
                }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(identity.key.reveal().utf8), format: .pem))
            }
            if let file = settings.extraRoots { pems.append(try String(contentsOf: file, encoding: .utf8)) }
            tls.trustRoots = .certificates(try pems.flatMap { try NIOSSLCertificate.fromPEMBytes(Array($0.utf8)) })
        } catch {
            throw LinkError.unreadable("a certificate of the link cannot be read: \(brief(error))")
        }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .nanoseconds(Int64(settings.connectTimeout.inSeconds * 1e9))
        // Left on, one 407 becomes a dozen within the deadline and locks the proxy's account.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.idleTimeout = .seconds(90)
        if let proxy = settings.proxy {
            configuration.proxy = .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.user.map { .basic(username: $0, password: proxy.password?.reveal() ?? "") },
                // RFC 9110 §7.2: CONNECT's Host is host:port; the client writes it without the port and cannot be told.
                connectHeaders: [:])
        }
        return HTTPClient(eventLoopGroupProvider: .shared(HTTPClient.defaultEventLoopGroup), configuration: configuration)
    }
}

/// The server holds nothing from the offset on, or does not know ranges.
struct BlobRangeRefused: Error {}

private struct BlobSink: Sendable {
    let write: @Sendable (Data) throws -> Void
}
