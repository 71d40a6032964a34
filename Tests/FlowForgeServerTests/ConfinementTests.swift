import AsyncHTTPClient
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import FlowForgeServer

/// Goes through every operation of the OpenAPI document with tokens that are confined.
@Suite(.timeLimit(.minutes(2))) struct ConfinementTests {
    @Test func `every route says what it touches, and nothing is said of routes that are not there`() throws {
        let routes = try OpenAPI.read().operations.filter { $0.path.hasPrefix("/api/v1/") }.map(\.route)
        #expect(
            Set(RequestReach.table.keys) == Set(routes),
            "\(Set(routes).symmetricDifference(RequestReach.table.keys).sorted()): say it in RequestReach.swift")
        #expect(
            ExpectedReach.all.flatMap(\.routes).sorted() == routes.sorted(),
            "\(Set(routes).symmetricDifference(ExpectedReach.byRoute.keys).sorted()): say it in ExpectedReach.swift")
    }

    @Test func `the table says of each route what was decided of it`() {
        for (route, expected) in ExpectedReach.byRoute {
            let parts = route.split(separator: " ", maxSplits: 1).map(String.init)
            // As it is written where it is added, and as the router prints it.
            let printed = parts[1].replacing(/:([a-z]+)/) { "{\($0.output.1)}" }
            for path in [parts[1], "/" + printed] {
                let reach = RequestReach.of(parts[0], path)
                #expect(reach.place == expected.place, "\(parts[0]) \(path)")
                #expect(reach.action == expected.action, "\(parts[0]) \(path)")
            }
        }
        let unlisted = RequestReach.of("GET", "/nowhere/:id")
        #expect(unlisted.place == .everywhere && unlisted.action == .manage, "what nobody thought of is closed")
    }

    @Test func `a token of one environment touches nothing of another`() async throws {
        let operations = try OpenAPI.read().operations.filter { $0.path.hasPrefix("/api/v1/") || $0.path == "/metrics" }
        try await OperatorFixture.serving { fixture in
            let walk = try await Walk(fixture)
            let (stranger, native) = (
                try await walk.token(.init(environments: ["qa"])), try await walk.token(.init(environments: ["dev"]))
            )
            for operation in operations {
                let place = operation.path == "/metrics" ? .everywhere : operation.reach.place
                let crossing = try await walk.send(operation, as: stranger)
                guard place != .common else {
                    // A short-lived token makes no others, wherever it may go.
                    #expect((crossing.status == 403) == (operation.id == "createToken"), "\(operation.id): \(crossing.status)")
                    continue
                }
                #expect(crossing.status == 403, "\(operation.id): \(crossing.status)")
                if operation.method != "HEAD" { #expect(crossing.error?.code == .forbidden) }
                if place == .query {
                    for path in ["", "?environment=qa&environment=dev", "?environment=dev&environment=qa", "?environment="] {
                        let status = try await fixture.send(.GET, walk.path(operation) + path, as: stranger).status
                        #expect(status == 403, "\(operation.id) \(path): \(status)")
                    }
                }
            }
            // The same, at home; last, since it changes things.
            for operation in operations {
                let place = operation.path == "/metrics" ? .everywhere : operation.reach.place
                let status = try await walk.send(operation, as: native).status
                #expect((status == 403) == (place == .everywhere || operation.id == "createToken"), "\(operation.id): \(status)")
            }
        }
    }

    @Test func `what a body names counts wherever it stands`() async throws {
        try await OperatorFixture.serving { fixture in
            let walk = try await Walk(fixture)
            let qa = try await walk.token(.init(environments: ["qa"]))
            let bodies: [(String, String)] = [
                ("/promotions", #"{"kind":"promote","environment":"qa","source":"dev"}"#),
                ("/promotions", #"{"kind":"apply","environment":"qa","plan":"\#(walk.plan)"}"#),
                ("/promotions", #"{"kind":"apply","plan":"\#(walk.plan.dropFirst(7).prefix(12))"}"#),
                ("/promotions", #"{"kind":"apply","plan":"sha256:\#(String(repeating: "0", count: 64))"}"#),
                ("/promotions", #"{"kind":"apply"}"#), ("/promotions", #"{"kind":"rollback","environment":"dev","reason":"x"}"#),
                ("/environments/qa/plans", #"{"source":"dev"}"#), ("/environments/q%61/plans", #"{"source":"dev"}"#),
                ("/environments/d%65v/plans", "{}"), ("/runs", #"{"flow":"main"}"#),
            ]
            for (path, body) in bodies {
                let answer = try await fixture.send(.POST, "/api/v1\(path)", as: qa, body: .bytes(ByteBuffer(string: body)))
                #expect(answer.status == 403, "\(path) \(body): \(answer.status)")
            }
            func runs() async throws -> [ID<Run>] {
                try await fixture.get("/runs?environment=dev").decoded(OperatorAPI.Page<OperatorAPI.RunView>.self).items.map(\.id)
            }
            let before = try await runs()
            // Of a member that is there twice, the check and the route see the same: no run is started in dev.
            for names in [["qa", "dev"], ["dev", "qa"]] {
                let body = #"{"environment":"\#(names[0])","environment":"\#(names[1])","flow":"main","parameters":{}}"#
                let answer = try await fixture.send(.POST, "/api/v1/runs", as: qa, body: .bytes(ByteBuffer(string: body)))
                #expect(answer.status >= 400, "\(body): \(answer.status)")
            }
            for broken in ["[", #"{"environment":7}"#, #"{"plan":["x"]}"#] {
                let answer = try await fixture.send(.POST, "/api/v1/promotions", as: qa, body: .bytes(ByteBuffer(string: broken)))
                #expect(answer.status == 400)
            }
            #expect(try await runs() == before)
        }
    }

    @Test func `a plan is applied only by who may touch what it comes from, too`() async throws {
        try await OperatorFixture.serving { fixture in
            let walk = try await Walk(fixture)
            let wish: JSONValue = ["bundle": "demo@1.0.0", "source": "dev", "mode": "physical"]
            let made = try await fixture.post("/environments/qa/plans", wish).decoded(JSONValue.self)
            let apply: JSONValue = ["kind": "apply", "plan": try #require(made["digest"]), "computes": false]
            let (qa, both) = (
                try await walk.token(.init(name: "qa", environments: ["qa"])),
                try await walk.token(.init(name: "both", environments: ["qa", "dev"]))
            )
            #expect(try await fixture.post("/promotions", apply, as: qa).status == 403)
            #expect(try await fixture.post("/promotions", apply, as: both).status < 300)
        }
    }

    @Test(arguments: [TokenAction.plan, .push, .run]) func `a token for some actions does no other`(_ allowed: TokenAction)
        async throws
    {
        let operations = try OpenAPI.read().operations.filter { $0.path.hasPrefix("/api/v1/") }
        try await OperatorFixture.serving { fixture in
            let walk = try await Walk(fixture)
            let token = try await walk.token(.init(allow: [allowed]))
            for operation in operations {
                let action = operation.reach.action
                if ["POST", "PUT"].contains(operation.method) { #expect(action != nil, "\(operation.id) changes something") }
                let status = try await walk.send(operation, as: token).status
                #expect((status == 403) == (action.map { $0 != allowed } ?? false), "\(operation.id): \(status)")
            }
        }
    }
}

/// One of everything in `dev`, and requests about it.
private struct Walk {
    let fixture: OperatorFixture
    let plan: String
    private let examples: [String: String]

    init(_ fixture: OperatorFixture) async throws {
        self.fixture = fixture
        try await fixture.deployDemo()
        _ = try await fixture.post("/environments", OperatorAPI.CreateEnvironment(name: "qa", pool: "local"))
        func id(_ path: String, _ body: JSONValue, _ member: String = "id") async throws -> String {
            let answer = try await fixture.post(path, body)
            return try #require(try answer.decoded(JSONValue.self)[member]?.string, "\(path): \(answer.status)")
        }
        let run = try await id("/runs", ["environment": "dev", "flow": "main", "parameters": [:]])
        let backfill = try await id(
            "/backfills",
            [
                "environment": "dev", "flow": "main", "from": "2026-01-01T00:00:00.000Z", "until": "2026-01-02T00:00:00.000Z",
                "everySeconds": 86400, "idempotencyKey": "b",
            ])
        let next = try await fixture.pack(version: "1.1.0")
        try await fixture.upload(next)
        _ = try await fixture.post("/bundles", OperatorAPI.PushBundle(digest: next.digest))
        plan = try await id("/environments/dev/plans", ["bundle": "demo@1.1.0"], "digest")
        let promotion = try await id("/promotions", ["kind": "apply", "plan": .string(plan), "computes": false])
        let triggers = try await fixture.get("/triggers").decoded(OperatorAPI.Page<OperatorAPI.TriggerView>.self)
        let trigger = try #require(triggers.items.first).id
        examples = [
            "{environment}": "dev", "{run}": run, "{trigger}": "\(trigger)", "{backfill}": backfill, "{promotion}": promotion,
            "{flow}": "main", "{agent}": "\(ID<Agent>.make())", "{key}": "resource:warehouse", "{bundle}": "demo",
            "{version}": "1.0.0", "{asset}": "bronze.raw", "{variable}": "a", "{finding}": "asset%3Ax", "{gate}": "eyes",
        ]
    }

    func token(_ request: OperatorAPI.CreateToken) async throws -> String {
        try await fixture.post("/tokens", request).decoded(OperatorAPI.TokenGrant.self).token.reveal()
    }

    func path(_ operation: OpenAPI.Operation) -> String {
        var path = examples.reduce(operation.path) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
        path = path.replacingOccurrences(
            of: "{digest}", with: operation.path.contains("plans") ? plan : "sha256:\(String(repeating: "0", count: 64))")
        let id =
            path.contains("principals")
            ? "\(ID<Principal>.make())" : path.contains("join") ? "\(ID<JoinToken>.make())" : "\(ID<ShortToken>.make())"
        return path.replacingOccurrences(of: "{id}", with: id)
    }

    /// About `dev`, in whatever way the route names it.
    func send(_ operation: OpenAPI.Operation, as token: String) async throws -> OperatorFixture.Answer {
        var path = path(operation)
        if operation.reach.place == .query { path += "?environment=dev" }
        let body: JSONValue = ["environment": "dev", "kind": "promote", "reason": "why"]
        return try await fixture.send(
            HTTPMethod(rawValue: operation.method), path, as: token,
            body: ["POST", "PUT"].contains(operation.method) ? .bytes(ByteBuffer(bytes: try WireCoding.encode(body))) : nil)
    }
}

extension OpenAPI.Operation {
    /// As the tests have it, not as the code under test does.
    fileprivate var reach: RequestReach {
        ExpectedReach.byRoute[route].map { RequestReach($0.place, $0.action) } ?? RequestReach(.everywhere, .manage)
    }

    /// As the table has it: `GET runs/:run`.
    fileprivate var route: String {
        let path = path.replacing("/api/v1/", with: "", maxReplacements: 1)
        return "\(method) " + path.replacing("{", with: ":").replacing("}", with: "")
    }
}
