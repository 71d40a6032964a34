import AsyncHTTPClient
import FlowForgeServer
import FlowForgeTestSupport
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct ConnectionLimitTests {
    @Test func `connections beyond the limit wait until one closes, and are served then`() async throws {
        try await TestControlPlane.run(configure: { $0.limits.operators = 2 }) { plane in
            // One connection each.
            let clients = try (0..<3).map { _ in
                try TestControlPlane.client(trusting: plane.caCertificate, certificate: nil, key: nil)
            }
            @Sendable func ask(_ client: HTTPClient) async throws -> UInt {
                try await client.execute(HTTPClientRequest(url: plane.operatorURL + "/healthz"), timeout: .seconds(30)).status
                    .code
            }
            for client in clients.prefix(2) { #expect(try await ask(client) == 200) }
            let answered = Mutex(false)
            async let third = ask(clients[2])
            async let watched: Void = {
                // Two more answers on the open connections: the third would have had its own by then.
                for _ in 0..<20 {
                    for client in clients.prefix(2) { _ = try await ask(client) }
                }
                #expect(!answered.withLock { $0 })
                try await clients[0].shutdown()
            }()
            #expect(try await third == 200)
            answered.withLock { $0 = true }
            try await watched
            for client in clients.dropFirst() { try await client.shutdown() }
        }
    }
}
