import AsyncHTTPClient
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import FlowForgeServer

/// Every operation of the API, asked for with the ids, names and digests of somebody else.
@Suite(.timeLimit(.minutes(3))) struct CrossingTests {
    @Test func `nobody of another organisation finds, lists or changes anything`() async throws {
        try await OperatorFixture.serving { fixture in
            let ground = try await Ground(fixture)
            _ = try await fixture.post("/organisations", OperatorAPI.CreateOrganisation(name: "rivals"))
            let stranger = try await fixture.principal("rita", .owner, of: "rivals")
            try await ground.cross(as: stranger, isOfOrganisation: false)
        }
    }

    @Test func `nobody who is confined to another project finds, lists or changes anything`() async throws {
        try await OperatorFixture.serving { fixture in
            let ground = try await Ground(fixture)
            _ = try await fixture.post("/projects", OperatorAPI.CreateProject(name: "side"))
            let neighbour = try await fixture.principal("nina", .owner, of: "default", projects: ["side"])
            try await ground.cross(as: neighbour, isOfOrganisation: true)
        }
    }

    @Test func `who is of the organisation finds everything that the others did not`() async throws {
        try await OperatorFixture.serving { fixture in
            let ground = try await Ground(fixture)
            let own = try await fixture.principal("olga", .owner, of: "default")
            for operation in ground.reads where !Ground.platformOnly.contains(operation.id) {
                let answer = try await fixture.send(.GET, ground.path(of: operation), as: own)
                // The trigger that it knows may be no schedule.
                let right = operation.id == "previewTrigger" ? [200, 400] : [200]
                #expect(right.contains(answer.status), "\(operation.id)")
            }
            let runs = try await fixture.get("/runs", as: own)
            #expect(String(decoding: runs.body, as: UTF8.self).contains(ground.places["{run}"]!))
        }
    }

    @Test func `organisations hold their own work and refuse each other's names`() async throws {
        try await OperatorFixture.serving { fixture in
            try await fixture.deployDemo()
            _ = try await fixture.post("/organisations", OperatorAPI.CreateOrganisation(name: "rivals"))
            let rita = try await fixture.principal("rita", .owner, of: "rivals")
            let taken = OperatorAPI.CreateEnvironment(name: "dev", pool: "theirs")
            let name = try await fixture.post("/environments", taken, as: rita)
            #expect(name.status == 409 && name.error?.message == "the environment name 'dev' is taken")
            let pool = try await fixture.post(
                "/environments", OperatorAPI.CreateEnvironment(name: "theirs", pool: "local"), as: rita)
            #expect(pool.status == 409 && pool.error?.message.contains("taken") == true)
            let token = OperatorAPI.CreateJoinToken(pool: "local", ttlSeconds: 60, uses: 1)
            #expect(try await fixture.post("/join-tokens", token, as: rita).status == 409)

            let own = try await fixture.post(
                "/environments", OperatorAPI.CreateEnvironment(name: "theirs", pool: "rivals"), as: rita)
            let made = try own.decoded(OperatorAPI.EnvironmentView.self)
            #expect(own.status == 201 && made.organisation == "rivals" && made.project == "default")
            let listed = try await fixture.get("/environments", as: rita)
            let names = try listed.decoded(OperatorAPI.Page<OperatorAPI.EnvironmentView>.self).items.map(\.name)
            #expect(names == ["theirs"])
            // The whole control plane's owner sees both, and still mixes nothing.
            let mixed = try await fixture.post("/environments/theirs/releases", OperatorAPI.Deploy(bundle: "demo@1.0.0"))
            #expect(mixed.status == 404)
            #expect(try await fixture.get("/environments/theirs", as: fixture.owner).status == 200)

            // Who has the very files may push them, but not under a name that is taken.
            let bundle = try await fixture.pack()
            let digest = bundle.digest
            #expect(try await fixture.post("/bundles", OperatorAPI.PushBundle(digest: digest), as: rita).status == 404)
            for blob in bundle.blobs {
                let path = "/api/v1/blobs/\(blob.descriptor.digest)"
                #expect(try await fixture.send(.GET, path, as: rita).status == 404)
                let put = try await fixture.send(.PUT, path, as: rita, body: .bytes(ByteBuffer(bytes: blob.bytes)))
                #expect(put.status == 201)
                #expect(try await fixture.send(.GET, path, as: rita).status == 200)
            }
            let push = try await fixture.post("/bundles", OperatorAPI.PushBundle(digest: digest), as: rita)
            #expect(push.status == 409 && push.error?.message == "the bundle name 'demo' is taken")
        }
    }

    @Test func `who is confined passes on no more than they have`() async throws {
        try await OperatorFixture.serving { fixture in
            _ = try await fixture.post("/organisations", OperatorAPI.CreateOrganisation(name: "rivals"))
            for name in ["a", "b"] {
                let project = OperatorAPI.CreateProject(name: name, organisation: "rivals")
                #expect(try await fixture.post("/projects", project).status == 201)
            }
            let confined = try await fixture.principal("carl", .owner, of: "rivals", projects: ["a"])
            let heir = try await fixture.post(
                "/principals", OperatorAPI.CreatePrincipal(name: "heir", role: .viewer), as: confined
            ).decoded(OperatorAPI.PrincipalGrant.self)
            #expect(heir.principal.organisation == "rivals" && heir.principal.projects == ["a"])
            for (organisation, projects) in [("rivals", ["b"]), ("rivals", ["a", "b"]), ("default", ["default"])] {
                let wanted = OperatorAPI.CreatePrincipal(
                    name: "more", role: .viewer, organisation: organisation, projects: projects)
                #expect(try await fixture.post("/principals", wanted, as: confined).status == 404)
            }
            let names = try await fixture.get("/principals", as: confined)
                .decoded(OperatorAPI.Page<OperatorAPI.PrincipalView>.self).items.map(\.name)
            #expect(names == ["carl", "heir"])
            #expect(try await fixture.post("/projects", OperatorAPI.CreateProject(name: "c"), as: confined).status == 403)
            let seen = try await fixture.get("/projects", as: confined)
                .decoded(OperatorAPI.Page<OperatorAPI.ProjectView>.self).items.map(\.name)
            #expect(seen == ["a"])

            // Its environments are where it says, and stay there.
            var spec = EnvironmentSpec(name: "atelier", pool: "rivals", project: "b")
            let path = "/api/v1/environments/atelier"
            func apply(_ spec: EnvironmentSpec) async throws -> Int {
                let body = try WireCoding.encode(["spec": try JSONValue(encoding: spec)])
                return try await fixture.send(.PUT, path, as: confined, body: .bytes(ByteBuffer(bytes: body))).status
            }
            #expect(try await apply(spec) == 404)
            spec.project = nil
            #expect(try await apply(spec) == 404)
            spec.project = "a"
            #expect(try await apply(spec) == 201)
            spec.project = "b"
            #expect(try await apply(spec) == 409)
        }
    }
}

extension OperatorFixture {
    /// The token of a new principal of the organisation.
    func principal(_ name: String, _ role: Role, of organisation: String, projects: [String]? = nil) async throws -> String {
        let wanted = OperatorAPI.CreatePrincipal(name: name, role: role, organisation: organisation, projects: projects)
        return try await post("/principals", wanted).decoded(OperatorAPI.PrincipalGrant.self).token.reveal()
    }
}

/// What was made by everything that the API can do, and how to ask for it.
private struct Ground {
    /// Of the whole control plane.
    static let platformOnly: Set = ["getMetrics", "listBackups", "makeBackup", "getRetention", "collectGarbage"]
    /// The same for everybody, or of whoever asks.
    static let common: Set = ["getHealth", "getReadiness", "getOpenAPI", "whoAmI", "getEvidenceKey", "createToken"]
    /// Of all projects of an organisation.
    static let ofOrganisation: Set = [
        "hasBlob", "getBlob", "putBlob", "listBundles", "pushBundle", "getBundle", "getBundleVersion", "listReferrers",
        "pushReferrer",
    ]

    let fixture: OperatorFixture
    let operations: [OpenAPI.Operation]
    var places: [String: String] = [:]
    var blob = ""
    var plan = ""
    var bundle = ""
    var ids: [String: String] = [:]
    /// Ids and digests in what the owner gets to see.
    var needles: Set<String> = []

    init(_ fixture: OperatorFixture) async throws {
        self.fixture = fixture
        operations = try OpenAPI.read().operations
        _ = try await OperatorScenario(fixture: fixture).play()
        func first(_ path: String) async throws -> JSONValue {
            let page = try await fixture.get(path, as: fixture.owner).decoded(JSONValue.self)
            return try #require(page["items"]?.array?.first, "\(path) is empty")
        }
        func id(_ path: String, _ member: String = "id") async throws -> String {
            try #require(try await first(path)[member]?.string)
        }
        plan = try await id("/plans", "digest")
        bundle = try #require(try await first("/bundles")["bundle"]?["digest"]?.string)
        blob = try await fixture.pack().blobs[0].descriptor.digest
        let promotions = try await fixture.get("/promotions", as: fixture.owner).decoded(JSONValue.self)
        places = [
            "{environment}": "dev", "{run}": try await id("/runs"), "{trigger}": try await id("/triggers"),
            "{agent}": try await id("/agents"), "{backfill}": try await id("/backfills"), "{flow}": "main",
            "{key}": "pool%3Alocal", "{version}": "1.0.0", "{asset}": "bronze.raw", "{variable}": "a",
            "{gate}": "change-record", "{finding}": "schedule%3Anone",
            "{promotion}": promotions["items"]?.array?.first?["id"]?.string ?? "\(ID<Promotion>.make())",
        ]
        ids = [
            "principals": try await id("/principals"), "join-tokens": try await id("/join-tokens"),
            "tokens": try await id("/tokens?all=true"),
        ]
        let limit = ByteBuffer(bytes: try WireCoding.encode(["slots": 3] as JSONValue))
        _ = try await fixture.send(.PUT, "/api/v1/limits/pool%3Alocal", as: fixture.owner, body: .bytes(limit))
        let found = try Regex("[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}|sha256:[0-9a-f]{64}")
        for text in try await view().values { needles.formUnion(text.matches(of: found).map { String(text[$0.range]) }) }
        #expect(needles.count > 10)
    }

    var reads: [OpenAPI.Operation] { operations.filter { $0.method == "GET" && $0.role != nil } }

    func path(of operation: OpenAPI.Operation) -> String {
        var path = places.reduce(operation.path) { $0.replacing($1.key, with: $1.value) }
        path = path.replacing("{digest}", with: path.contains("plans") ? plan : blob)
        path = path.replacing("{bundle}", with: operation.path.contains("{version}") ? "demo" : bundle)
        path = path.replacing(
            "{id}", with: ids[operation.path.split(separator: "/").dropLast().last.map(String.init) ?? ""] ?? "")
        switch operation.id {
        case "listAssets", "getAsset": path += "?environment=dev"
        case "getGateSecret": path = path.replacing("environments/dev", with: "environments/prod")
        case "getLineage": path += "?environment=dev&asset=bronze.raw"
        default: break
        }
        return path
    }

    private func body(of operation: OpenAPI.Operation) throws -> JSONValue {
        switch operation.id {
        case "createPrincipal": ["name": "spy", "role": "viewer", "organisation": "default", "projects": ["default"]]
        case "createOrganisation": ["name": "spies"]
        case "createProject": ["name": "spies", "organisation": "default"]
        case "createEnvironment": ["name": "dev", "pool": "local", "variables": ["a": 1]]
        case "applyEnvironment": ["spec": try JSONValue(encoding: EnvironmentSpec(name: "dev", pool: "local"))]
        case "overrideVariable": ["value": 7, "reason": "mine"]
        case "deploy", "makePlan": ["bundle": "demo@1.0.0"]
        case "approvePlan": ["approves": true]
        case "overrideGate": ["message": "mine"]
        case "answerGate": ["passed": true, "message": "mine"]
        case "requestPromotion": ["kind": "apply", "plan": .string(plan)]
        case "suppressDrift": ["until": .string(WireCoding.text(Date() + 600)), "reason": "mine"]
        case "pushBundle": ["digest": .string(bundle)]
        case "pushReferrer": ["digest": .string(bundle)]
        case "yankBundle", "pauseFlow": ["reason": "mine"]
        case "startRun": ["environment": "dev", "flow": "main", "parameters": [:]]
        case "setLimit": ["slots": 0]
        case "startBackfill":
            [
                "environment": "dev", "flow": "main", "from": "2026-01-01T00:00:00.000Z", "until": "2026-01-03T00:00:00.000Z",
                "everySeconds": 86400,
            ]
        case "createJoinToken": ["pool": "local", "ttlSeconds": 60, "uses": 1]
        default: [:]
        }
    }

    /// The statuses that are right for whoever must not get there.
    private func refusals(_ operation: OpenAPI.Operation, isOfOrganisation: Bool) -> Set<Int> {
        switch operation.id {
        case _ where Self.platformOnly.contains(operation.id): [403]
        case _ where operation.id.hasPrefix("list") && !operation.path.contains("{") && operation.id != "listAssets": [200]
        // Names are unique in a control plane, and nothing more is said.
        case "applyEnvironment": [409]
        // Whoever is confined to a project does not see the default one either.
        case "createEnvironment": isOfOrganisation ? [404] : [409]
        case "createOrganisation": [403]
        case "createProject", "yankBundle", "unyankBundle": isOfOrganisation ? [403] : [404]
        case "createJoinToken": isOfOrganisation ? [403] : [409]
        // Who has not the bytes puts others than the digest says.
        case "putBlob": [400, 409, 422]
        default: [404]
        }
    }

    func cross(as token: String, isOfOrganisation: Bool) async throws {
        let before = try await view()
        for operation in operations where operation.role != nil && !Self.common.contains(operation.id) {
            if isOfOrganisation, Self.ofOrganisation.contains(operation.id) { continue }
            let (path, body) = (path(of: operation), try WireCoding.encode(try body(of: operation)))
            let hasBody = ["POST", "PUT"].contains(operation.method)
            let isPaged =
                operation.content["parameters"]?.array?.contains { $0["$ref"] == "#/components/parameters/limit" } ?? false
            let paths =
                isPaged && operation.method == "GET" ? [path, path + (path.contains("?") ? "&" : "?") + "limit=500"] : [path]
            for path in paths {
                let answer = try await fixture.send(
                    HTTPMethod(rawValue: operation.method), path, as: token,
                    body: hasBody ? .bytes(ByteBuffer(bytes: body)) : nil)
                let text = String(decoding: answer.body, as: UTF8.self)
                let right = refusals(operation, isOfOrganisation: isOfOrganisation)
                #expect(right.contains(answer.status), "\(operation.id): \(answer.status) \(text.prefix(300))")
                let asked = path + String(decoding: body, as: UTF8.self)
                let told = needles.filter { text.contains($0) && !asked.contains($0) }
                #expect(told.isEmpty, "\(operation.id) tells of \(told)")
                for name in ["otto", "vera"] { #expect(!text.contains(name), "\(operation.id) tells of \(name)") }
            }
        }
        for filter in [
            "/runs?environment=dev", "/triggers?environment=dev&all=true", "/backfills?environment=dev",
            "/plans?environment=prod", "/promotions?environment=prod", "/agents?pool=local", "/audit?action=run.start",
            "/tokens?all=true",
        ] {
            let page = try await fixture.get(filter, as: token).decoded(JSONValue.self)
            #expect(page["items"]?.array?.isEmpty == true, "\(filter) lists something")
        }
        let after = try await view()
        for (operation, text) in before { #expect(after[operation] == text, "\(operation) was changed") }
    }

    /// What the owner sees, by operation; without what changes by itself.
    private func view() async throws -> [String: String] {
        var texts: [String: String] = [:]
        for operation in reads where !Self.platformOnly.union(Self.common).union(["listAudit"]).contains(operation.id) {
            let answer = try await fixture.send(.GET, path(of: operation), as: fixture.owner)
            texts[operation.id] = String(decoding: answer.body, as: UTF8.self)
        }
        return texts
    }
}
