public import AsyncHTTPClient
public import FlowForgeProtocol
public import Foundation
internal import NIOCore
internal import NIOHTTP1

/// Requests over one TLS client, on either port.
public struct HTTPExchange: Sendable {
    public let base: String
    private let client: HTTPClient
    private let token: Secret?

    /// To the agent API, with a client certificate if there is one.
    public init(_ plane: TestControlPlane, certificate: String? = nil, key: String? = nil) throws {
        base = plane.agentURL
        client = try plane.client(certificate: certificate, key: key)
        token = nil
    }

    public init(base: String, client: HTTPClient, token: Secret? = nil) {
        self.base = base
        self.client = client
        self.token = token
    }

    /// To the operator API.
    public init(operator plane: TestControlPlane, token: Secret?) throws {
        base = plane.operatorURL
        client = try plane.client()
        self.token = token
    }

    public func post(_ path: String, _ body: some Encodable & Sendable) async throws -> TestAgent.Answer {
        try await send("POST", path, body: try WireCoding.encode(body))
    }

    public func get(_ path: String, headers: [String: String] = [:]) async throws -> TestAgent.Answer {
        try await send("GET", path, headers: headers)
    }

    public func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: Data? = nil
    ) async throws -> TestAgent.Answer {
        var request = HTTPClientRequest(url: base + path)
        request.method = HTTPMethod(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token.reveal())") }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await client.execute(request, timeout: .seconds(60))
        let content = try await response.body.collect(upTo: 64 << 20)
        return TestAgent.Answer(
            status: Int(response.status.code), body: Data(content.readableBytesView),
            headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { $1 }))
    }
}
