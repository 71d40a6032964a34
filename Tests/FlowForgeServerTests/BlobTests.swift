import Crypto
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

    /// Stores a blob as `flowforge bundle push` does and returns its path in the agent API.
    private static func push(_ content: Data, to plane: TestControlPlane) async throws -> String {
        let digest = "sha256:" + SHA256.hash(data: content).map { String(format: "%02x", $0) }.joined()
        let owner = try HTTPExchange(operator: plane, token: plane.ownerToken)
        #expect(try await owner.send("PUT", "/api/v1/blobs/\(digest)", body: content).status == 201)
        return "/agent/v1/blobs/\(digest)"
    }
}
