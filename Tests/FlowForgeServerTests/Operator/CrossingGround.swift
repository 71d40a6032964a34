import AsyncHTTPClient
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import FlowForgeServer

/// What was made by everything that the API can do, and how to ask for it.
struct CrossingGround {
    /// Of the whole control plane.
    static let platformOnly: Set = ["getMetrics", "listBackups", "makeBackup", "getRetention", "collectGarbage"]
    /// The same for everybody, or of whoever asks.
    static let common: Set = ["getHealth", "getReadiness", "getOpenAPI", "whoAmI", "getEvidenceKey", "createToken"]
    /// Of all projects of an organisation.
    static let ofOrganisation: Set = [
        "hasBlob", "getBlob", "putBlob", "listBundles", "pushBundle", "getBundle", "getBundleVersion", "listReferrers",
        "pushReferrer",
    ]
    /// Of people, pools, agents, environments, bundles, triggers and tables; each is a whole text in what the owner sees.
    static let names: Set = [
        "otto", "vera", "rob", "dora", "retail", "stores", "pool:local", "local", "alpha", "beta", "dev", "prod", "demo",
        "yearly", "hook", "bronze.raw",
    ]

    let fixture: OperatorFixture
    let operations: [OpenAPI.Operation]
    private(set) var places: [String: String] = [:]
    private(set) var blob = Data()
    private var blobDigest = ""
    private(set) var plan = ""
    private(set) var bundle = ""
    private(set) var referrer = ""
    private var hook = ""
    private var ids: [String: String] = [:]
    /// Ids and digests in what the owner gets to see.
    private var needles: Set<String> = []

    init(_ fixture: OperatorFixture) async throws {
        self.fixture = fixture
        operations = try OpenAPI.read().operations
        _ = try await OperatorScenario(fixture: fixture).play()
        bundle = try await first("/bundles", "bundle", "digest")
        referrer = try await first("/bundles/\(bundle)/referrers", "digest", in: "manifests")
        let some = try await fixture.pack().blobs[0]
        (blob, blobDigest) = (some.bytes, some.descriptor.digest)
        plan = try await first("/promotions", "plan")
        let triggers = try await fixture.get("/triggers?environment=dev", as: fixture.owner).decoded(
            OperatorAPI.Page<OperatorAPI.TriggerView>.self)
        let yearly = try #require(triggers.items.first { $0.kind == .schedule }).id
        hook = "\(try #require(triggers.items.first { $0.kind == .webhook }).id)"
        let agent = try await joined("beta")
        places = [
            "{environment}": "dev", "{run}": try await first("/runs", "id"), "{trigger}": "\(yearly)", "{agent}": "\(agent)",
            "{backfill}": try await first("/backfills", "id"), "{flow}": "main", "{key}": "pool%3Alocal", "{version}": "1.0.0",
            "{asset}": "bronze.raw", "{variable}": "a", "{gate}": "change-record", "{finding}": "schedule%3Amain.yearly",
            "{promotion}": try await first("/promotions", "id"),
        ]
        let limit = ByteBuffer(bytes: try WireCoding.encode(["slots": 3] as JSONValue))
        _ = try await fixture.send(.PUT, "/api/v1/limits/pool%3Alocal", as: fixture.owner, body: .bytes(limit))
        // A finding: a schedule that somebody has paused.
        _ = try await fixture.post("/triggers/\(yearly)/pause", [:] as JSONValue)
        let drift = try await fixture.post("/environments/dev/drift", [:] as JSONValue)
        try #require(String(decoding: drift.body, as: UTF8.self).contains("schedule:main.yearly"))
        // Somebody of the organisation, with a token; the others are of the whole control plane.
        let dora = try await fixture.post(
            "/principals", OperatorAPI.CreatePrincipal(name: "dora", role: .operator_, organisation: "default")
        ).decoded(OperatorAPI.PrincipalGrant.self)
        let token = try await fixture.post("/tokens", OperatorAPI.CreateToken(name: "hers"), as: dora.token.reveal())
            .decoded(OperatorAPI.TokenGrant.self)
        ids = [
            "principals": "\(dora.principal.id)", "tokens": "\(token.view.id)",
            "join-tokens": try await first("/join-tokens", "id"),
        ]
        let found = try Regex("[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}|sha256:[0-9a-f]{64}")
        let texts = try await view()
        for text in texts.values { needles.formUnion(text.matches(of: found).map { String(text[$0.range]) }) }
        #expect(needles.count > 10)
        for name in Self.names { #expect(texts.values.contains { $0.contains("\"\(name)\"") }, "nothing is called \(name)") }
    }

    /// A member of the first of a list.
    private func first(_ path: String, _ members: String..., in list: String = "items") async throws -> String {
        let page = try await fixture.get(path, as: fixture.owner).decoded(JSONValue.self)
        var value = try #require(page[list]?.array?.first, "\(path) is empty")
        for member in members { value = try #require(value[member], "\(path): no \(member)") }
        return try #require(value.string, "\(path): no text")
    }

    private func joined(_ name: String) async throws -> ID<Agent> {
        let agent = ID<Agent>.make()
        try await fixture.services.store.write { session in
            try session.agents.insert(agent, name: name, pool: "local", agentVersion: "0.1.0")
        }
        return agent
    }

    var reads: [OpenAPI.Operation] { operations.filter { $0.method == "GET" && $0.role != nil } }

    func path(of operation: OpenAPI.Operation) -> String {
        var path = places.reduce(operation.path) { $0.replacing($1.key, with: $1.value) }
        path = path.replacing("{digest}", with: path.contains("plans") ? plan : blobDigest)
        path = path.replacing("{bundle}", with: operation.path.contains("{version}") ? "demo" : bundle)
        path = path.replacing(
            "{id}", with: ids[operation.path.split(separator: "/").dropLast().last.map(String.init) ?? ""] ?? "")
        switch operation.id {
        case "listAssets", "getAsset": path += "?environment=dev"
        case "getGateSecret": path = path.replacing("environments/dev", with: "environments/prod")
        case "getLineage": path += "?environment=dev&asset=bronze.raw"
        case "makeWebhookSecret": path = "/api/v1/triggers/\(hook)/secret"
        default: break
        }
        return path
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

    /// Asks for everything as somebody who sees nothing of it, being of `project` of `organisation`.
    func cross(as token: String, of organisation: String, project: String) async throws {
        let isOfOrganisation = organisation == Scope.defaultName
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
                let names = Self.names.filter { text.contains("\"\($0)\"") && !asked.contains($0) }
                let told = needles.filter { text.contains($0) && !asked.contains($0) }.union(names)
                #expect(told.isEmpty, "\(operation.id) tells of \(told)")
                for name in ["otto", "vera"] { #expect(!text.contains(name), "\(operation.id) tells of \(name)") }
            }
        }
        try await listsNothingElse(as: token, of: organisation, project: project)
        let minted = try await fixture.post("/tokens", OperatorAPI.CreateToken(environments: ["dev"]), as: token)
        #expect(minted.status == 404, "a token for an environment of others: \(minted.status)")
        let after = try await view()
        for (operation, text) in before { #expect(after[operation] == text, "\(operation) was changed") }
    }

    private func listsNothingElse(as token: String, of organisation: String, project: String) async throws {
        for filter in [
            "/runs?environment=dev", "/triggers?environment=dev&all=true", "/backfills?environment=dev",
            "/plans?environment=prod", "/promotions?environment=prod", "/agents?pool=local", "/audit?action=run.start",
            "/tokens?all=true", "/limits", "/environments",
        ] {
            let page = try await fixture.get(filter, as: token).decoded(JSONValue.self)
            #expect(page["items"]?.array?.isEmpty == true, "\(filter) lists something")
        }
        let organisations = try await fixture.get("/organisations?limit=500", as: token)
            .decoded(OperatorAPI.Page<OperatorAPI.OrganisationView>.self).items.map(\.name)
        #expect(organisations == [organisation])
        let projects = try await fixture.get("/projects?limit=500", as: token)
            .decoded(OperatorAPI.Page<OperatorAPI.ProjectView>.self).items.map { "\($0.organisation)/\($0.name)" }
        #expect(projects == ["\(organisation)/\(project)"])
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
