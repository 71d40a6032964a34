import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import FlowForgeServer
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Testing

@Suite struct OperatorAccessTests {
    @Test func `a wrong, an expired and a revoked token are refused and audited`() async throws {
        let clock = MovableClock()
        try await TestControlPlane.run(storeOptions: clock.options) { plane in
            let principals = Principals(store: plane.store)
            let brief = try await principals.create(.init(name: "brief", role: .viewer, ttlSeconds: 60), by: .system("test"))
            let gone = try await principals.create(.init(name: "gone", role: .viewer), by: .system("test"))
            #expect(try await Self.whoami(plane, brief.token) == 200)
            #expect(try await Self.whoami(plane, gone.token) == 200)
            try await principals.revoke(gone.principal.id, by: .system("test"))
            clock.advance(61)
            for token in [nil, Secret("ff_nonsense"), Secret(""), brief.token, gone.token] {
                #expect(try await Self.whoami(plane, token) == 401)
            }
            #expect(try await plane.refusals("principal.authenticate") == Array(repeating: "unauthenticated", count: 5))
        }
    }

    @Test func `a viewer may not write, which is audited under the viewer's name`() async throws {
        try await TestControlPlane.run { plane in
            let viewer = try HTTPExchange(operator: plane, token: try await plane.principal("vera", .viewer))
            let answer = try await viewer.post("/api/v1/join-tokens", OperatorAPI.CreateJoinToken(pool: "p"))
            #expect(answer.status == 403)
            #expect(answer.code == .forbidden)
            let entries = try await plane.store.read { try $0.audit.list(action: "principal.authorize", limit: 10) }
            #expect(entries.map(\.actor) == ["principal:vera"])
        }
    }

    @Test func `the last owner cannot be revoked`() async throws {
        try await TestControlPlane.run { plane in
            let owner = try HTTPExchange(operator: plane, token: plane.ownerToken)
            let me = try await owner.get("/api/v1/whoami").decoded(OperatorAPI.PrincipalView.self)
            let refused = try await owner.send("DELETE", "/api/v1/principals/\(me.id)")
            #expect(refused.status == 409)
            #expect(try await owner.get("/api/v1/whoami").status == 200)
            _ = try await plane.principal("second", .owner)
            #expect(try await owner.send("DELETE", "/api/v1/principals/\(me.id)").status == 204)
            #expect(try await owner.get("/api/v1/whoami").status == 401)
        }
    }

    @Test func `refusals beyond the limit are counted instead of written`() async throws {
        let clock = MovableClock()
        try await TestControlPlane.run(storeOptions: clock.options) { plane in
            let trail = RefusalTrail(store: plane.store, logger: TestControlPlane.quietLogger(), perMinute: 3)
            let error = APIError(.tokenUnknown, "no")
            for _ in 0..<10 { await trail.record(actor: .system("t"), action: "t.t", subject: "s", error: error) }
            clock.advance(60)
            await trail.record(actor: .system("t"), action: "t.t", subject: "s", error: error)
            let entries = try await plane.store.read { try $0.audit.list(action: "t.t", limit: 100) }
            #expect(entries.count == 4)
            #expect(entries.last?.detail["unrecorded"] == .integer(7))
        }
    }

    @Test func `the audit trail takes no change and no deletion`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            _ = try await TestControlPlane.initialize(data)
            for statement in ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry"] {
                let ran = try await Ran.program(
                    try Checkout.python(),
                    [
                        "-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()",
                        data.appending(path: "flowforge.db").path, statement,
                    ])
                #expect(ran.status != 0)
                #expect(ran.errors.contains("append-only"))
            }
        }
    }

    private static func whoami(_ plane: TestControlPlane, _ token: Secret?) async throws -> Int {
        try await HTTPExchange(operator: plane, token: token).get("/api/v1/whoami").status
    }
}
