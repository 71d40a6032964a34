import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import Foundation
import Testing

struct DeploymentTests {
    @Test func `a deployed bundle is the environment's current release`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.createEnvironment()
        try await fixture.push(try fixture.pack())
        let second = try fixture.pack(version: "1.1.0")
        try await fixture.push(second)
        let first = try await fixture.deploy("demo@1.0.0")
        #expect(first.created && first.release.serial == 1 && first.release.current)
        let next = try await fixture.deploy(String(second.digest.prefix(19)))
        #expect(next.created && next.release.serial == 2)

        let shown = try await fixture.environments.show("dev")
        #expect(shown.releases.map(\.id) == [next.release.id])
        let list = try await fixture.deployments.list(environment: "dev")
        #expect(list.items.map(\.serial) == [2, 1])
        #expect(list.items.map(\.current) == [true, false])
        let entries = try await fixture.audit("release.create")
        #expect(entries.map { $0.detail["bundle"] } == ["demo@1.0.0", "demo@1.1.0"])
        #expect(entries[1].detail["replaces"] == "1.0.0")
    }

    @Test func `deploying what is current changes nothing, going back makes a new release`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.createEnvironment()
        try await fixture.push(try fixture.pack())
        try await fixture.push(try fixture.pack(version: "2.0.0"))
        let first = try await fixture.deploy("demo@1.0.0")
        let again = try await fixture.deploy("demo@1.0.0")
        #expect(!again.created && again.release.id == first.release.id)
        _ = try await fixture.deploy("demo@2.0.0")
        let back = try await fixture.deploy("demo@1.0.0")
        #expect(back.created && back.release.serial == 3)
        #expect(try await fixture.audit("release.create").count == 3)
    }

    @Test func `deployments at once make one release`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.createEnvironment()
        try await fixture.push(try fixture.pack())
        let (deployments, ann) = (fixture.deployments, fixture.ann)
        let created = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    try await deployments.deploy(.init(bundle: "demo@1.0.0"), environment: "dev", by: ann).created
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(created.count { $0 } == 1)
    }

    @Test func `a variable that the environment does not bind, or binds wrongly, is refused by name`() async throws {
        let fixture = try ReleasesFixture()
        let variables = "{year: {type: integer}, raw_dir: {type: path}, note: {type: string, default: none}}"
        try await fixture.push(try fixture.pack(variables: variables))
        try await fixture.createEnvironment("none")
        try await fixture.createEnvironment("wrong", variables: ["year": "soon", "raw_dir": "/srv/raw"])
        try await fixture.createEnvironment("right", variables: ["year": 2013, "raw_dir": "/srv/raw", "of_others": 1])
        let missing = await refusal { try await fixture.deploy("demo@1.0.0", to: "none") }
        #expect(missing?.code == .invalidRequest)
        #expect(missing?.message.contains("year") == true && missing?.message.contains("raw_dir") == true)
        let wrong = await refusal { try await fixture.deploy("demo@1.0.0", to: "wrong") }
        #expect(wrong?.message.contains("year") == true && wrong?.message.contains("raw_dir") == false)
        #expect(wrong?.message.contains("soon") == false)
        #expect(try await fixture.deploy("demo@1.0.0", to: "right").created)
    }

    @Test func `a credential that the environment lacks, or that is no reference, is refused by name`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.push(try fixture.pack(credentials: "[crm, warehouse]"))
        for (name, credentials) in [
            ("none", [:]), ("wrong", ["crm": "env://CRM", "warehouse": "hunter2hunter2"]),
            ("right", ["crm": "env://CRM", "warehouse": "aws-sm://w", "other": "hunter2hunter2"]),
        ] {
            _ = try await fixture.store.write { session in
                try session.environments.insert(
                    EnvironmentSpec(name: name, pool: "local", credentials: credentials), by: "x")
            }
        }
        let missing = await refusal { try await fixture.deploy("demo@1.0.0", to: "none") }
        #expect(missing?.code == .invalidRequest && missing?.metadata["credentials"] == "crm, warehouse")
        #expect(missing?.message.contains("crm, warehouse") == true && missing?.hint?.contains("crm for make") == true)
        let wrong = await refusal { try await fixture.deploy("demo@1.0.0", to: "wrong") }
        #expect(wrong?.message.contains("warehouse") == true && wrong?.message.contains("crm") == false)
        #expect("\(wrong as Any)".contains("hunter2") == false, "somebody wrote the secret itself")
        #expect(try await fixture.deploy("demo@1.0.0", to: "right").created)
    }

    @Test func `a pool that the environment lacks is refused by name`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.push(try fixture.pack(pool: "gpu"))
        for (name, pools) in [("none", ["other": "local"]), ("right", ["gpu": "dear", "other": "local"])] {
            _ = try await fixture.store.write { session in
                try session.environments.insert(EnvironmentSpec(name: name, pool: "local", pools: pools), by: "x")
            }
        }
        let missing = await refusal { try await fixture.deploy("demo@1.0.0", to: "none") }
        #expect(missing?.code == .invalidRequest && missing?.metadata["pools"] == "gpu")
        #expect(missing?.message.contains("no pool for gpu") == true && missing?.hint?.contains("gpu for main") == true)
        let release = try await fixture.deploy("demo@1.0.0", to: "right").release
        let config = try await fixture.store.read { try $0.releases.find(release.id)?.config }
        #expect(config?.pools == ["gpu": "dear"], "it keeps what it needs of them")
    }

    @Test func `an asset has one writer in an environment`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.createEnvironment("dev")
        try await fixture.createEnvironment("prod")
        try await fixture.push(try fixture.pack("one", output: "silver.shared"))
        try await fixture.push(try fixture.pack("two", output: "silver.shared"))
        _ = try await fixture.deploy("one@1.0.0")
        let error = await refusal { try await fixture.deploy("two@1.0.0") }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("silver.shared") == true && error?.message.contains("one@1.0.0") == true)
        #expect(try await fixture.deploy("two@1.0.0", to: "prod").created)
        // Once the first no longer writes it, the second may.
        try await fixture.push(try fixture.pack("one", version: "2.0.0", output: "silver.own"))
        _ = try await fixture.deploy("one@2.0.0")
        #expect(try await fixture.deploy("two@1.0.0").created)
    }

    @Test func `what is not there is not found, what is no reference is refused`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.createEnvironment()
        #expect(await refusal { try await fixture.deploy("demo@1.0.0") }?.code == .notFound)
        #expect(await refusal { try await fixture.deploy("demo@1.0.0", to: "prod") }?.code == .notFound)
        #expect(await refusal { try await fixture.deploy("0123456789ab") }?.code == .notFound)
        let error = await refusal { try await fixture.deploy("demo") }
        #expect(error?.code == .invalidRequest && error?.message.hasPrefix("bundle: ") == true)
    }

    @Test func `releases are paged, and a cursor of another environment is refused`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.createEnvironment("dev")
        try await fixture.createEnvironment("prod")
        for number in 0..<3 {
            try await fixture.push(try fixture.pack(version: "1.0.\(number)"))
            _ = try await fixture.deploy("demo@1.0.\(number)")
        }
        let first = try await fixture.deployments.list(environment: "dev", limit: 2)
        #expect(first.items.map(\.serial) == [3, 2])
        let second = try await fixture.deployments.list(environment: "dev", after: first.next, limit: 2)
        #expect(second.items.map(\.serial) == [1] && second.next == nil)
        let foreign = await refusal { try await fixture.deployments.list(environment: "prod", after: first.next) }
        #expect(foreign?.code == .invalidRequest)
    }
}
