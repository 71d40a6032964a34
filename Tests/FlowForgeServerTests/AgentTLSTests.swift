import FlowForgeDomain
import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeServer
import FlowForgeTestSupport
import Foundation
import Testing

@Suite struct AgentTLSTests {
    @Test func `without a client certificate only join is served`() async throws {
        try await TestControlPlane.run { plane in
            let anonymous = try HTTPExchange(plane)
            for path in ["renew", "poll", "report"] {
                let answer = try await anonymous.post("/agent/v1/\(path)", ["a": "b"])
                #expect(answer.status == 401)
                #expect(answer.code == .certificateRequired)
            }
            let blob = try await anonymous.get("/agent/v1/blobs/sha256:\(String(repeating: "0", count: 64))")
            #expect(blob.code == .certificateRequired)
            let join = try await anonymous.post("/agent/v1/join", ["a": "b"])
            #expect(join.code == .invalidRequest)
            let unknown = try await anonymous.get("/agent/v1/nothing")
            #expect(unknown.status == 404)
            #expect(unknown.code == .notFound)
        }
    }

    @Test func `an agent that joined polls`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            let answer = try await agent.poll()
            #expect(answer.status == 200)
            #expect(abs(try answer.decoded(AgentAPI.PollResponse.self).serverTime.timeIntervalSinceNow) < 60)
            #expect(try await plane.registry().show(agent.id).state == .online)
        }
    }

    @Test func `a certificate of a foreign CA ends the handshake, and that is written down`() async throws {
        try await TestControlPlane.run { plane in
            // Same names, same trust domain, another key.
            let root = try CertificateAuthority.create(trustDomain: "test.flowforge")
            let foreign = try CertificateAuthority(certificatePEM: root.certificatePEM, keyPEM: root.keyPEM)
            let agent = try plane.forged(by: foreign)
            await #expect(throws: (any Error).self) { try await agent.poll() }
            try await plane.expectRefusal("agent.handshake", "certificate_unknown")
        }
    }

    @Test func `an expired certificate ends the handshake, and that is written down`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try plane.forged(
                by: try plane.authority(), issued: Date(timeIntervalSinceNow: -7200), lifetime: .seconds(3600))
            await #expect(throws: (any Error).self) { try await agent.poll() }
            try await plane.expectRefusal("agent.handshake", "certificate_expired")
        }
    }

    @Test func `a certificate of our CA that was never issued is refused`() async throws {
        try await TestControlPlane.run { plane in
            let answer = try await plane.forged(by: try plane.authority()).poll()
            #expect(answer.status == 403)
            #expect(answer.code == .certificateUnknown)
            #expect(try await plane.refusals("agent.authorize") == ["certificate_unknown"])
        }
    }

    @Test func `our own server certificate does not let anyone in as an agent`() async throws {
        try await TestControlPlane.run { plane in
            let certificate = try String(contentsOf: plane.dataFolder.serverCertificate, encoding: .utf8)
            let key = try String(contentsOf: plane.dataFolder.serverKey, encoding: .utf8)
            let exchange = try HTTPExchange(plane, certificate: certificate, key: key)
            await #expect(throws: (any Error).self) {
                try await exchange.post("/agent/v1/poll", TestAgent.pollRequest())
            }
        }
    }

    @Test func `a certificate that expires while the connection is open is refused on the next request`() async throws {
        // The handshake goes by the machine's clock, the requests by the store's.
        let clock = MovableClock()
        try await TestControlPlane.run(storeOptions: clock.options) { plane in
            let agent = try await plane.agent()
            #expect(try await agent.poll().status == 200)
            clock.advance(25 * 3600)
            let answer = try await agent.poll()
            #expect(answer.status == 403)
            #expect(answer.code == .certificateExpired)
        }
    }

    @Test func `an agent that is revoked while connected is refused on the next request`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            #expect(try await agent.poll().status == 200)
            _ = try await plane.registry().revoke(agent.id, by: .system("test"))
            for path in ["poll", "report", "renew"] {
                let answer = try await agent.post("/agent/v1/\(path)", TestAgent.pollRequest())
                #expect(answer.code == .agentRevoked)
            }
            #expect(try await plane.refusals("agent.authorize") == Array(repeating: "agent_revoked", count: 3))
        }
    }

    @Test func `a certificate renewed over the wire works at once`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            let key = SigningPair()
            let answer = try await agent.post("/agent/v1/renew", AgentAPI.RenewRequest(csr: try key.request()))
            #expect(answer.status == 200)
            let renewed = try TestAgent(plane, grant: try answer.decoded(AgentAPI.CertificateGrant.self), key: key.pem)
            #expect(renewed.id == agent.id)
            #expect(try await renewed.poll().status == 200)
        }
    }

    @Test func `times on the wire keep their fractions of a second`() async throws {
        let clock = MovableClock(at: Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down) + 0.123))
        try await TestControlPlane.run(storeOptions: clock.options) { plane in
            let answer = try await plane.agent().poll()
            #expect(String(decoding: answer.body, as: UTF8.self).contains(".123Z\""))
        }
    }

    @Test func `the chain that the server shows ends in the CA whose fingerprint is pinned`() async throws {
        try await TestControlPlane.run { plane in
            let text = try await OpenSSL.connect(plane.agentPort, ["-showcerts"])
            #expect(text.contains("TLSv1.3"))
            #expect(text.contains(plane.caCertificate.trimmingCharacters(in: .whitespacesAndNewlines)))
        }
    }

    @Test func `older TLS is refused`() async throws {
        try await TestControlPlane.run { plane in
            let text = try await OpenSSL.connect(plane.agentPort, ["-tls1_2"])
            #expect(text.contains("protocol version"))
        }
    }
}
