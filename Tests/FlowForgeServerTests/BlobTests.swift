import Crypto
import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeServer

@Suite struct BlobTests {
    @Test func `an agent fetches a blob whole, in part and from where it stopped`() async throws {
        try await TestControlPlane.run { plane in
            let content = Data((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            let path = try await Self.push(content, to: plane)
            let agent = try await plane.agent()

            let whole = try await agent.get(path)
            #expect(whole.status == 200)
            #expect(whole.body == content)

            let part = try await agent.get(path, headers: ["Range": "bytes=10-19"])
            #expect(part.status == 206)
            #expect(part.body == content[10...19])
            #expect(part.headers["content-range"] == "bytes 10-19/200000")

            let rest = try await agent.get(path, headers: ["Range": "bytes=199990-"])
            #expect(rest.status == 206)
            #expect(rest.body == content[199_990...])

            let beyond = try await agent.get(path, headers: ["Range": "bytes=200000-"])
            #expect(beyond.status == 416)
            #expect(beyond.headers["content-range"] == "bytes */200000")
        }
    }

    @Test func `an agent of another organisation finds neither a bundle nor what is signed about it`() async throws {
        try await TestControlPlane.run { plane in
            let bundle = try Self.bundle(in: plane.folder)
            for blob in bundle.blobs { _ = try await Self.push(blob.bytes, to: plane) }
            let owner = try HTTPExchange(operator: plane, token: plane.ownerToken)
            let pushed = try await owner.post("/api/v1/bundles", OperatorAPI.PushBundle(digest: bundle.digest))
            #expect(pushed.status == 201)
            _ = try await owner.post("/api/v1/organisations", OperatorAPI.CreateOrganisation(name: "retail"))
            let otto = try await owner.post(
                "/api/v1/principals", OperatorAPI.CreatePrincipal(name: "otto", role: .owner, organisation: "retail")
            ).decoded(OperatorAPI.PrincipalGrant.self)
            let retail = try HTTPExchange(operator: plane, token: otto.token)
            let token = try await retail.post("/api/v1/join-tokens", OperatorAPI.CreateJoinToken(pool: "retail"))
                .decoded(OperatorAPI.JoinTokenGrant.self)
            let stranger = try await TestAgent.join(plane, token: token.token, pool: "retail")
            let own = try await plane.agent()
            let digests = bundle.blobs.map(\.descriptor.digest)
            for path in ["bundles/\(bundle.digest)/referrers"] + digests.map({ "blobs/\($0)" }) {
                #expect(try await own.get("/agent/v1/\(path)").status == 200, "\(path)")
                let answer = try await stranger.get("/agent/v1/\(path)")
                #expect(answer.status == 404 && answer.code == .notFound, "\(path)")
            }
            // What its own organisation has pushed it may fetch, whoever else has the same.
            let first = bundle.blobs[0]
            _ = try await retail.send("PUT", "/api/v1/blobs/\(first.descriptor.digest)", body: first.bytes)
            #expect(try await stranger.get("/agent/v1/blobs/\(first.descriptor.digest)").body == first.bytes)
        }
    }

    @Test func `only blobs of the registry are served`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            for name in [
                "sha256:\(String(repeating: "0", count: 64))", "sha256:..", "..%2F..%2Fca.key", "%2e%2e%2fca.key", "ca.key",
                "sha256:%00",
            ] {
                let answer = try await agent.get("/agent/v1/blobs/\(name)")
                #expect([400, 404].contains(answer.status), "\(name): \(answer.status)")
                #expect(!String(decoding: answer.body, as: UTF8.self).contains("PRIVATE KEY"))
            }
        }
    }

    @Test(
        arguments: [
            (nil, .whole), ("bytes=0-9", .part(0...9)), ("bytes=5-", .part(5...99)), ("bytes=-10", .part(90...99)),
            ("bytes=-1000", .part(0...99)), ("bytes=90-1000", .part(90...99)), ("bytes=100-", .unsatisfiable),
            ("bytes=-0", .unsatisfiable),
            ("bytes=9-5", .whole), ("bytes=0-1,5-6", .whole), ("lines=0-9", .whole), ("bytes=a-b", .whole), ("bytes=-", .whole),
            ("bytes=99999999999999999999-", .whole),
        ] as [(String?, BlobResponse.Requested)])
    func `a range is read as RFC 9110 says`(header: String?, expected: BlobResponse.Requested) {
        #expect(BlobResponse.range(header, size: 100) == expected)
    }

    private static func bundle(in folder: URL) throws -> PackedBundle {
        let source = folder.appending(path: "source")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        let manifest = """
            bundle: {name: demo, version: 1.0.0}
            flows:
              main:
                tasks:
                  make: {layer: bronze, sql: make.sql, output: bronze.t}
            """
        try Data(manifest.utf8).write(to: source.appending(path: "flowforge.yaml"))
        try Data("SELECT 1 AS n".utf8).write(to: source.appending(path: "make.sql"))
        return try BundleBuilder.build(BundleFolder(source))
    }

    /// Stores a blob as `flowforge bundle push` does and returns its path in the agent API.
    private static func push(_ content: Data, to plane: TestControlPlane) async throws -> String {
        let digest = "sha256:" + SHA256.hash(data: content).map { String(format: "%02x", $0) }.joined()
        let owner = try HTTPExchange(operator: plane, token: plane.ownerToken)
        #expect(try await owner.send("PUT", "/api/v1/blobs/\(digest)", body: content).status == 201)
        return "/agent/v1/blobs/\(digest)"
    }
}
