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
            // Accepted, since they have had an answer; they keep their connections and say nothing more.
            var silent: [HTTPClient] = []
            for _ in 0..<2 {
                let client = try TestControlPlane.client(trusting: plane.caCertificate, certificate: nil, key: nil)
                let request = HTTPClientRequest(url: plane.operatorURL + "/healthz")
                let answer = try await client.execute(request, timeout: .seconds(30))
                // A connection whose answer was not read to its end would be closed.
                _ = try await answer.body.collect(upTo: 1 << 20)
                #expect(answer.status.code == 200)
                silent.append(client)
            }
            let client = try TestControlPlane.client(trusting: plane.caCertificate, certificate: nil, key: nil)
            let answered = Mutex(false)
            async let third: UInt = {
                let request = HTTPClientRequest(url: plane.operatorURL + "/healthz")
                let code = try await client.execute(request, timeout: .seconds(30)).status.code
                answered.withLock { $0 = true }
                return code
            }()
            // The other listener has a limit of its own. In the time of so many polls the third would have its answer.
            let agent = try await plane.agent()
            for _ in 0..<20 { #expect(try await agent.poll().status == 200) }
            #expect(!answered.withLock { $0 })
            try await silent[0].shutdown()
            #expect(try await third == 200)
            try await silent[1].shutdown()
            try await client.shutdown()
        }
    }
}
