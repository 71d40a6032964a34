import AsyncHTTPClient
import Crypto
import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import NIOCore
import NIOHTTP1

@testable import FlowForgeServer

/// The operator API of a ``TestControlPlane``, with a token for each role.
final class OperatorFixture: Sendable {
    let plane: TestControlPlane
    let owner: String
    let operator_: String
    let viewer: String
    private let http: HTTPClient

    private init(_ plane: TestControlPlane) async throws {
        self.plane = plane
        http = try plane.client()
        owner = plane.ownerToken.reveal()
        operator_ = try await plane.principal("otto", .operator_).reveal()
        viewer = try await plane.principal("vera", .viewer).reveal()
    }

    /// Serves while `body` runs.
    static func serving(
        configure: @Sendable (inout ServerSettings) -> Void = { _ in },
        _ body: @escaping @Sendable (OperatorFixture) async throws -> Void
    ) async throws {
        try await TestControlPlane.run(configure: configure) { plane in try await body(try await OperatorFixture(plane)) }
    }

    var services: ControlPlaneServices { plane.controlPlane.services }
    var uploads: URL { plane.dataFolder.bundles.appending(path: "uploads") }

    struct Answer: Sendable {
        var status: Int
        var headers: HTTPHeaders
        var body: Data

        func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value { try WireCoding.decode(type, from: body) }

        /// What was refused; a success is none.
        var error: APIError? { try? decoded(ErrorBody.self).error }
    }

    /// `path` begins with `/api/v1`, or is one of the few outside of it.
    func send(
        _ method: HTTPMethod, _ path: String, as token: String? = nil, headers: [String: String] = [:],
        body: HTTPClientRequest.Body? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: plane.operatorURL + path)
        request.method = method
        request.body = body
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        let response = try await http.execute(request, timeout: .seconds(60))
        let bytes = try await response.body.collect(upTo: 16 << 20)
        return Answer(status: Int(response.status.code), headers: response.headers, body: Data(bytes.readableBytesView))
    }

    func get(_ path: String, as token: String? = nil) async throws -> Answer {
        try await send(.GET, "/api/v1\(path)", as: token ?? viewer)
    }

    func post(_ path: String, _ value: some Encodable, as token: String? = nil) async throws -> Answer {
        try await send(
            .POST, "/api/v1\(path)", as: token ?? owner, body: .bytes(ByteBuffer(bytes: try WireCoding.encode(value))))
    }

    /// A DuckDB that finds one column in every SELECT.
    private struct OneColumn: SchemaEngine {
        let folder: URL

        func run(_ script: String) async throws -> (rows: Data, errors: String) {
            let lines = [
                #"{"ff_question":0}"#, #"{"failed":false,"statements":1,"statement":"{}"}"#,
                #"{"column_name":"id","column_type":"INTEGER"}"#, #"{"ff_question":null}"#,
            ]
            return (Data(lines.joined(separator: "\n").utf8), "")
        }
    }

    /// A bundle with a lock, an ingest and a table that is made of it.
    func pack(version: String = "1.0.0") async throws -> PackedBundle {
        let source = plane.folder.appending(path: "source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        let manifest = """
            bundle:
              name: demo
              version: \(version)
            flows:
              main:
                triggers:
                  yearly: {schedule: {cron: "0 0 1 1 *", timezone: Europe/Zurich, dst: skip}}
                  hook: {webhook: {}}
                tasks:
                  load:
                    layer: bronze
                    sql: load.sql
                    output: bronze.raw
                  clean:
                    layer: silver
                    sql: clean.sql
                    inputs: [bronze.raw]
                    output: silver.clean
            """
        try Data(manifest.utf8).write(to: source.appending(path: "flowforge.yaml"))
        try Data("SELECT 1 AS id".utf8).write(to: source.appending(path: "load.sql"))
        try Data("SELECT id FROM bronze.raw".utf8).write(to: source.appending(path: "clean.sql"))
        let lock = try await LockWriter(BundleFolder(source)).draft(asking: OneColumn(folder: source)).lock
        try lock.text.write(to: source.appending(path: BundleLock.fileName))
        return try BundleBuilder.build(BundleFolder(source))
    }

    /// A delivery to a webhook as its sender signs it.
    func deliver(_ id: String, to path: String, secret: String, body: String = "{}") async throws -> Answer {
        let key = SymmetricKey(data: Data(base64Encoded: String(secret.dropFirst("whsec_".count))) ?? Data())
        let time = String(Int64(Date().timeIntervalSince1970))
        let code = HMAC<SHA256>.authenticationCode(for: Data("\(id).\(time).\(body)".utf8), using: key)
        return try await send(
            .POST, path,
            headers: [
                "webhook-id": id, "webhook-timestamp": time, "webhook-signature": "v1,\(Data(code).base64EncodedString())",
            ], body: .bytes(ByteBuffer(string: body)))
    }

    func upload(_ bundle: PackedBundle) async throws {
        for blob in bundle.blobs {
            _ = try await send(
                .PUT, "/api/v1/blobs/\(blob.descriptor.digest)", as: operator_, body: .bytes(ByteBuffer(bytes: blob.bytes)))
        }
    }

    /// `demo@1.0.0` in the environment `dev`.
    func deployDemo() async throws {
        _ = try await post("/environments", OperatorAPI.CreateEnvironment(name: "dev", pool: "local"))
        let bundle = try await pack()
        try await upload(bundle)
        _ = try await post("/bundles", OperatorAPI.PushBundle(digest: bundle.digest))
        _ = try await post("/environments/dev/releases", OperatorAPI.Deploy(bundle: "demo@1.0.0"))
    }
}
