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

/// Every operation of the API, asked for with the ids, names and digests of somebody else.
@Suite(.timeLimit(.minutes(3))) struct CrossingTests {
    @Test func `nobody of another organisation finds, lists or changes anything`() async throws {
        try await OperatorFixture.serving { fixture in
            let ground = try await CrossingGround(fixture)
            _ = try await fixture.post("/organisations", OperatorAPI.CreateOrganisation(name: "rivals"))
            let stranger = try await fixture.principal("rita", .owner, of: "rivals")
            try await ground.cross(as: stranger, of: "rivals", project: "default")
        }
    }

    @Test func `nobody who is confined to another project finds, lists or changes anything`() async throws {
        try await OperatorFixture.serving { fixture in
            let ground = try await CrossingGround(fixture)
            _ = try await fixture.post("/projects", OperatorAPI.CreateProject(name: "side"))
            let neighbour = try await fixture.principal("nina", .owner, of: "default", projects: ["side"])
            try await ground.cross(as: neighbour, of: "default", project: "side")
        }
    }

    @Test func `who is of the organisation finds everything that the others did not`() async throws {
        try await OperatorFixture.serving { fixture in
            let ground = try await CrossingGround(fixture)
            let own = try await fixture.principal("olga", .owner, of: "default")
            for operation in ground.reads where !CrossingGround.platformOnly.contains(operation.id) {
                let answer = try await fixture.send(.GET, ground.path(of: operation), as: own)
                #expect(answer.status == 200, "\(operation.id)")
            }
            let runs = try await fixture.get("/runs", as: own)
            #expect(String(decoding: runs.body, as: UTF8.self).contains(ground.places["{run}"]!))
        }
    }

    /// What is refused to the others is refused to them alone: it is there, and the requests are good.
    @Test func `who is of the organisation changes everything that the others could not`() async throws {
        try await OperatorFixture.serving { fixture in
            let ground = try await CrossingGround(fixture)
            let own = try await fixture.principal("olga", .owner, of: "default")
            try await ground.change(as: own)
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
            let among = EnvironmentSpec(name: "theirs", pool: "rivals", pools: ["large": "local"])
            let spec = try WireCoding.encode(["spec": try JSONValue(encoding: among)])
            let refused = try await fixture.send(
                .PUT, "/api/v1/environments/theirs", as: rita, body: .bytes(ByteBuffer(bytes: spec)))
            #expect(refused.status == 409 && refused.error?.message.contains("pool") == true)
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

            // Of the organisation's agents it sees those that run tasks of its own environments.
            spec.project = "a"
            spec.pools = ["large": "giants"]
            #expect(try await apply(spec) == 200)
            let rita = try await fixture.principal("rita", .owner, of: "rivals")
            for pool in ["rivals", "giants", "strangers"] {
                let token = OperatorAPI.CreateJoinToken(pool: pool, ttlSeconds: 60, uses: 1)
                #expect(try await fixture.post("/join-tokens", token, as: rita).status == 201)
                try await fixture.services.store.write { session in
                    try session.agents.insert(.make(), name: "of-\(pool)", pool: pool, agentVersion: "0.1.0")
                }
            }
            let agents = try await fixture.get("/agents", as: confined)
                .decoded(OperatorAPI.Page<OperatorAPI.AgentView>.self).items.map(\.pool)
            #expect(agents.sorted() == ["giants", "rivals"])
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
