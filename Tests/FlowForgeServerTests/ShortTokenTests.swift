import AsyncHTTPClient
import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import FlowForgeServer

@Suite(.timeLimit(.minutes(2))) struct ShortTokenTests {
    private static func exchange(_ plane: TestControlPlane, _ token: Secret) throws -> HTTPExchange {
        try HTTPExchange(operator: plane, token: token)
    }

    private static func mint(
        _ exchange: HTTPExchange, _ request: OperatorAPI.CreateToken = .init()
    ) async throws -> OperatorAPI.TokenGrant {
        let answer = try await exchange.post("/api/v1/tokens", request)
        #expect(answer.status == 201)
        return try answer.decoded(OperatorAPI.TokenGrant.self)
    }

    @Test func `a short-lived token acts for its principal and is seen in the audit trail`() async throws {
        try await TestControlPlane.run { plane in
            let own = try Self.exchange(plane, try await plane.principal("ci", .owner))
            let grant = try await Self.mint(own, .init(name: "job 1", role: .owner, ttlSeconds: 60))
            #expect(grant.token.reveal().hasPrefix("fft_") && grant.view.name == "job 1" && grant.view.principal == "ci")
            let short = try Self.exchange(plane, grant.token)
            let me = try await short.get("/api/v1/whoami").decoded(OperatorAPI.PrincipalView.self)
            #expect(me.name == "ci" && me.role == .owner && me.expiresAt == grant.view.expiresAt && me.token?.id == grant.view.id)
            let made = try await short.post("/api/v1/environments", OperatorAPI.CreateEnvironment(name: "dev", pool: "p"))
            #expect(made.status == 201)
            let entry = try #require(
                try await plane.store.read { try $0.audit.list(action: "environment.create", limit: 1) }.first)
            #expect(entry.actor == "principal:ci" && entry.detail["token"] == .string(grant.view.id.description))
            let minted = try #require(try await plane.store.read { try $0.audit.list(action: "token.create", limit: 1) }.first)
            #expect(minted.subject == grant.view.id.description && minted.detail["token"] == nil)
            let text = try String(contentsOf: plane.folder.appending(path: "flowforge.db-wal"), encoding: .isoLatin1)
            #expect(!text.contains(grant.token.reveal()), "only its hash is kept")
        }
    }

    @Test func `it gets neither a higher role nor a longer life than its principal, and makes no others`() async throws {
        let clock = MovableClock()
        try await TestControlPlane.run(storeOptions: clock.options) { plane in
            let principals = Principals(store: plane.store)
            let grant = try await principals.create(.init(name: "ci", role: .operator_, ttlSeconds: 600), by: .system("test"))
            let own = try Self.exchange(plane, grant.token)
            let wishes: [(OperatorAPI.CreateToken, Int)] = [
                (.init(role: .owner), 403), (.init(ttlSeconds: 601), 400), (.init(ttlSeconds: 3601), 400),
                (.init(ttlSeconds: 0), 400), (.init(ttlSeconds: -1), 400), (.init(environments: []), 400),
                (.init(environments: ["nowhere"]), 404), (.init(environments: ["../x"]), 400), (.init(allow: []), 400),
                (.init(allow: [.unknown]), 400), (.init(name: "a\nb"), 400),
                (.init(name: String(repeating: "x", count: 65)), 400),
                (.init(role: .unknown), 400),
            ]
            for (wish, status) in wishes {
                #expect(try await own.post("/api/v1/tokens", wish).status == status, "\(wish)")
            }
            // What is left of its principal's is all it gets.
            let short = try await Self.mint(own)
            #expect(
                abs(short.view.expiresAt.timeIntervalSince(grant.principal.expiresAt!)) < 0.002 && short.view.role == .operator_)
            let again = try await Self.exchange(plane, short.token).post("/api/v1/tokens", OperatorAPI.CreateToken(ttlSeconds: 1))
            #expect(again.status == 403)
            let low = try await Self.mint(own, .init(role: .viewer, ttlSeconds: 60))
            let refused = try await Self.exchange(plane, low.token).post(
                "/api/v1/environments/dev/plans", OperatorAPI.MakePlan())
            #expect(refused.status == 403)
        }
    }

    @Test func `it ends with its time, by being revoked, and with its principal`() async throws {
        let clock = MovableClock()
        try await TestControlPlane.run(storeOptions: clock.options) { plane in
            let owner = try Self.exchange(plane, plane.ownerToken)
            let grant = try await Principals(store: plane.store).create(.init(name: "ci", role: .operator_), by: .system("test"))
            let own = try Self.exchange(plane, grant.token)
            let other = try Self.exchange(plane, try await plane.principal("other", .operator_))
            func status(_ token: Secret) async throws -> Int {
                try await Self.exchange(plane, token).get("/api/v1/whoami").status
            }
            let brief = try await Self.mint(own, .init(ttlSeconds: 60))
            let revoked = try await Self.mint(own)
            let orphan = try await Self.mint(own, .init(ttlSeconds: 3600))
            let itself = try await Self.mint(own)
            for token in [brief, revoked, orphan, itself] { #expect(try await status(token.token) == 200) }
            for query in ["", "?all=true"] {
                let seen = try await Self.exchange(plane, brief.token).get("/api/v1/tokens\(query)")
                #expect(
                    try seen.decoded(OperatorAPI.Page<OperatorAPI.TokenView>.self).items.map(\.id) == [brief.view.id],
                    "a short-lived token sees itself and no other")
            }
            let path = "/api/v1/tokens/\(revoked.view.id)"
            #expect(try await other.send("DELETE", path).status == 404, "of others there are none")
            #expect(try await Self.exchange(plane, itself.token).send("DELETE", path).status == 404)
            for _ in 0..<2 { #expect(try await own.send("DELETE", path).status == 204) }
            #expect(try await Self.exchange(plane, itself.token).send("DELETE", "/api/v1/tokens/\(itself.view.id)").status == 204)
            for token in [revoked, itself] { #expect(try await status(token.token) == 401) }
            clock.advance(61)
            #expect(try await status(brief.token) == 401)
            #expect(try await status(orphan.token) == 200)
            let mine = try await own.get("/api/v1/tokens").decoded(OperatorAPI.Page<OperatorAPI.TokenView>.self).items
            #expect(mine.count == 4 && mine.filter(\.revoked).count == 2)
            #expect(try await other.get("/api/v1/tokens").decoded(OperatorAPI.Page<OperatorAPI.TokenView>.self).items.isEmpty)
            #expect(try await other.get("/api/v1/tokens?all=true").status == 403)
            #expect(
                try await owner.get("/api/v1/tokens?all=true").decoded(OperatorAPI.Page<OperatorAPI.TokenView>.self).items.count
                    == 4)

            try await Principals(store: plane.store).revoke(grant.principal.id, by: .system("test"))
            #expect(try await status(orphan.token) == 401)
            // A namesake is somebody else.
            _ = try await plane.principal("ci", .owner)
            #expect(try await status(orphan.token) == 401)

            clock.advance(86_400 + 3600)
            _ = try await Self.mint(other)
            let left = try await owner.get("/api/v1/tokens?all=true").decoded(OperatorAPI.Page<OperatorAPI.TokenView>.self)
            #expect(left.items.map(\.principal) == ["other"], "what ended a day ago is gone")
        }
    }

    @Test func `nobody approves his own plan with one`() async throws {
        try await OperatorFixture.serving { fixture in
            try await fixture.deployDemo()
            let spec = EnvironmentSpec(
                name: "prod", pool: "local",
                protection: .init(requiresPlan: true, gates: [GateSpec(name: "eyes", rule: .approval(.init(count: 1)))]))
            _ = try await fixture.send(
                .PUT, "/api/v1/environments/prod", as: fixture.owner,
                body: .bytes(
                    ByteBuffer(bytes: try WireCoding.encode(OperatorAPI.ApplyEnvironment(spec: try JSONValue(encoding: spec))))))
            let own = fixture.operator_
            func token() async throws -> String {
                try await fixture.post("/tokens", OperatorAPI.CreateToken(), as: own).decoded(OperatorAPI.TokenGrant.self).token
                    .reveal()
            }
            let (first, second) = (try await token(), try await token())
            let plan = try await fixture.post("/environments/prod/plans", OperatorAPI.MakePlan(bundle: "demo@1.0.0"), as: first)
                .decoded(OperatorAPI.PlanView.self)
            func approve(_ token: String) async throws -> String {
                try await fixture.post("/plans/\(plan.digest)/approvals", OperatorAPI.Approve(approves: true), as: token)
                    .decoded(OperatorAPI.PlanView.self).standing
            }
            for token in [first, second, own] { #expect(try await approve(token) == "pending") }
            #expect(try await approve(fixture.owner) == "open")
        }
    }

    @Test func `there are only so many of one principal`() async throws {
        try await TestControlPlane.run { plane in
            let own = try Self.exchange(plane, try await plane.principal("ci", .viewer))
            for _ in 0..<ShortTokens.most { _ = try await Self.mint(own) }
            #expect(try await own.post("/api/v1/tokens", OperatorAPI.CreateToken()).status == 409)
        }
    }
}
