import AsyncHTTPClient
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import ServiceLifecycle

@testable import FlowForgeServer

/// A control plane in this process, on ports that the kernel chose, with a client that trusts its CA
/// and a token for each role.
final class OperatorFixture: Sendable {
    let folder: URL
    let controlPlane: ControlPlane
    let http: HTTPClient
    let port: Int
    let owner: String
    let operator_: String
    let viewer: String

    private init(
        folder: URL, controlPlane: ControlPlane, http: HTTPClient, port: Int, owner: String, operator_: String,
        viewer: String
    ) {
        self.folder = folder
        self.controlPlane = controlPlane
        self.http = http
        self.port = port
        self.owner = owner
        self.operator_ = operator_
        self.viewer = viewer
    }

    /// Serves while `body` runs, then stops as SIGTERM would and removes everything.
    static func serving(_ body: @escaping @Sendable (OperatorFixture) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let data = folder.appending(path: "data")
        let anyPort = ListenAddress(host: "127.0.0.1", port: 0)
        let outcome = try await Initialization(
            dataFolder: data, configuration: data.appending(path: "flowforged.yaml"), trustDomain: "test.example",
            agentListen: anyPort, agentURL: "https://127.0.0.1:1", operatorListen: anyPort, hosts: ["127.0.0.1"]
        ).run()
        var settings = ServerSettings(dataFolder: data, agentURL: "https://127.0.0.1:1")
        settings.agentListen = anyPort
        settings.operatorListen = anyPort
        var logger = Logger(label: "test")
        logger.logLevel = .error
        let controlPlane = try ControlPlane(settings: settings, logger: logger)
        let group = ServiceGroup(services: controlPlane.lifecycle, logger: logger)

        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(outcome.caFile))
        let http = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: HTTPClient.Configuration(tlsConfiguration: tls))
        let principals = controlPlane.services.principals
        func token(_ name: String, _ role: Role) async throws -> String {
            try await principals.create(.init(name: name, role: role), by: .system("test")).token.reveal()
        }
        let (viewer, operator_) = (try await token("vera", .viewer), try await token("otto", .operator_))
        do {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                let fixture = OperatorFixture(
                    folder: folder, controlPlane: controlPlane, http: http, port: try await controlPlane.operatorPort,
                    owner: outcome.token.reveal(), operator_: operator_, viewer: viewer)
                do {
                    try await body(fixture)
                    await group.triggerGracefulShutdown()
                } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
                try await tasks.waitForAll()
            }
        } catch {
            try await http.shutdown()
            throw error
        }
        try await http.shutdown()
    }

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
        _ method: HTTPMethod, _ path: String, as token: String? = nil, body: HTTPClientRequest.Body? = nil,
        timeout: TimeAmount = .seconds(60)
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "https://127.0.0.1:\(port)\(path)")
        request.method = method
        request.body = body
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        let response = try await http.execute(request, timeout: timeout)
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

    /// A bundle with an ingest and a table that is made of it.
    func pack(version: String = "1.0.0") throws -> PackedBundle {
        let source = folder.appending(path: "source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        let manifest = """
            bundle:
              name: demo
              version: \(version)
            flows:
              main:
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
        return try BundleBuilder.build(BundleFolder(source))
    }

    func upload(_ bundle: PackedBundle) async throws {
        for blob in bundle.blobs {
            _ = try await send(
                .PUT, "/api/v1/blobs/\(blob.descriptor.digest)", as: operator_, body: .bytes(ByteBuffer(bytes: blob.bytes)))
        }
    }
}

/// Waits for something that no signal tells of, for at most ten seconds.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw APIError("timeout", "\(what): not within ten seconds") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// The root of the repository.
let repository = (0..<4).reduce(URL(filePath: #filePath)) { url, _ in url.deletingLastPathComponent() }
