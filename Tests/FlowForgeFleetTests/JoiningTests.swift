import FlowForgeDomain
import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import SwiftASN1
import Synchronization
import Testing
import X509

@Suite struct JoiningTests {
    @Test func `a token and a signing request get a certificate with a SPIFFE id and nothing that the request asked for`()
        async throws
    {
        try await withFleet { fleet in
            let token = try await fleet.token()
            let grant = try await fleet.join(token)
            let leaf = try Certificate(pemEncoded: grant.certificate)
            #expect(leaf.subject == (try DistinguishedName { CommonName(grant.agent.description) }))
            let names = try #require(try leaf.extensions.subjectAlternativeNames)
            #expect(Array(names) == [.uniformResourceIdentifier("spiffe://test.flowforge/pool/test/agent/\(grant.agent)")])
            #expect(try leaf.extensions.extendedKeyUsage.map(Array.init) == [.clientAuth])
            #expect(try leaf.extensions.basicConstraints == .notCertificateAuthority)
            #expect(grant.notAfter.timeIntervalSince(fleet.clock.now) <= 24 * 3600)
            #expect(grant.notAfter.timeIntervalSince(fleet.clock.now) > 24 * 3600 - 1)
        }
    }

    @Test func `the token is stored as a hash only`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token()
            let text = token.token.reveal()
            #expect(text.hasPrefix("ffj_"))
            try fleet.store.close()
            let files = try FileManager.default.contentsOfDirectory(at: fleet.folder, includingPropertiesForKeys: nil)
            #expect(!files.isEmpty)
            for file in files {
                #expect(try Data(contentsOf: file).firstRange(of: Data(text.utf8)) == nil, "\(file.lastPathComponent)")
            }
        }
    }

    @Test func `an unknown token is refused`() async throws {
        try await withFleet { fleet in
            await fleet.expectRefusal(.tokenUnknown) { try await fleet.join(secret: Secret("ffj_none")) }
            await fleet.expectRefusal(.tokenUnknown) { try await fleet.join(secret: Secret("' OR 1=1 --")) }
            let audited = try await fleet.audited()
            #expect(audited == ["token_unknown", "token_unknown"])
        }
    }

    @Test func `a revoked token is refused as unknown`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token()
            try await fleet.tokens.revoke(token.id, by: .system("test"))
            await fleet.expectRefusal(.tokenUnknown) { try await fleet.join(token) }
        }
    }

    @Test func `a token lets in as many agents as it has uses and then is used`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token(uses: 2)
            let first = try await fleet.join(token)
            let second = try await fleet.join(token)
            #expect(first.agent != second.agent)
            await fleet.expectRefusal(.tokenUsed) { try await fleet.join(token) }
            #expect(try await fleet.audited() == ["token_used"])
        }
    }

    @Test func `of many joins at once with one use exactly one gets in`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token()
            let joined = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<20 { group.addTask { (try? await fleet.join(token)) != nil } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(joined == 1)
            #expect(try await fleet.store.read { try $0.agents.list(limit: 100).count } == 1)
        }
    }

    @Test func `an expired token is refused`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token(ttl: 60)
            fleet.clock.advance(60)
            await fleet.expectRefusal(.tokenExpired) { try await fleet.join(token) }
            #expect(try await fleet.audited() == ["token_expired"])
        }
    }

    @Test func `a token of another pool is refused and not used up`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token()
            await fleet.expectRefusal(.tokenPool) { try await fleet.join(token, pool: "other") }
            #expect(try await fleet.audited() == ["token_pool"])
            _ = try await fleet.join(token)
        }
    }

    @Test(arguments: [ProtocolVersion.current + 1, ProtocolVersion.oldestServed - 1])
    func `an agent of a protocol version that is not served is told which side to upgrade`(version: Int) async throws {
        try await withFleet { fleet in
            let token = try await fleet.token()
            let error = await #expect(throws: APIError.self) { try await fleet.join(token, version: version) }
            #expect(error?.code == .protocolVersion)
            #expect(
                error?.hint?.contains(version > ProtocolVersion.current ? "upgrade the control plane" : "upgrade the agent")
                    == true)
            #expect(try await fleet.audited() == ["protocol_version"])
        }
    }

    @Test func `only a request that is signed with its own P-256 key gets a certificate`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token()
            for csr in try [
                "", "nonsense", String(repeating: "A", count: 100_000), HostileRequests.anotherCurve(),
                HostileRequests.signedByAnother(),
            ] {
                await fleet.expectRefusal(.invalidCSR) { try await fleet.join(token, csr: csr) }
            }
            #expect(try await fleet.audited() == Array(repeating: "invalid_csr", count: 5))
            _ = try await fleet.join(token)
        }
    }
}

@Suite struct RejoiningTests {
    @Test func `an agent joins again under its own id and its former certificates are revoked`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token(uses: 2)
            let first = try await fleet.join(token)
            let again = try await fleet.join(token, agent: first.agent)
            #expect(again.agent == first.agent)
            await fleet.expectRefusal(.certificateRevoked) { try await fleet.authorize(first) }
            _ = try await fleet.authorize(again)
        }
    }

    @Test func `a token of another pool does not give an agent its id back`() async throws {
        try await withFleet { fleet in
            let grant = try await fleet.join(try await fleet.token())
            let other = try await fleet.token(pool: "other")
            await fleet.expectRefusal(.tokenPool) { try await fleet.join(other, pool: "other", agent: grant.agent) }
            _ = try await fleet.authorize(grant)
        }
    }

    @Test func `a revoked agent does not get its id back and an unknown id is nobody's`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token(uses: 5)
            let grant = try await fleet.join(token)
            _ = try await fleet.registry.revoke(grant.agent, by: .system("test"))
            await fleet.expectRefusal(.agentRevoked) { try await fleet.join(token, agent: grant.agent) }
            await fleet.expectRefusal(.certificateUnknown) { try await fleet.join(token, agent: .make()) }
            #expect(try await fleet.audited() == ["agent_revoked", "certificate_unknown"])
        }
    }

    @Test func `a renewed certificate works and the one before it too until it expires`() async throws {
        try await withFleet { fleet in
            let grant = try await fleet.join(try await fleet.token())
            let identity = try await fleet.authorize(grant)
            let renewed = try await fleet.joining.renew(.init(csr: try SigningPair().request()), for: identity)
            #expect(renewed.certificate != grant.certificate)
            _ = try await fleet.authorize(renewed)
            _ = try await fleet.authorize(grant)
            fleet.clock.advance(24 * 3600)
            await fleet.expectRefusal(.certificateExpired) { try await fleet.authorize(grant) }
        }
    }
}
