import FlowForgeProtocol
import FlowForgeReleases
import Foundation
import Testing

struct EnvironmentTests {
    @Test func `an environment is created once, audited, and created again without change`() async throws {
        let fixture = try ReleasesFixture()
        let settings: [String: JSONValue] = ["raw_dir": "/srv/raw", "year": 2013, "ratio": 0.5, "strict": true]
        let first = try await fixture.createEnvironment(variables: settings)
        let second = try await fixture.createEnvironment(variables: settings)
        #expect(first.created && !second.created)
        #expect(second.environment.variables == settings)
        #expect(second.environment.createdAt == first.environment.createdAt)
        let entries = try await fixture.audit("environment.create")
        #expect(entries.map(\.subject) == ["dev"])
        #expect(entries[0].actor == "principal:ann")
    }

    @Test func `other settings of the same name are a conflict that names what differs`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.createEnvironment(variables: ["a": 1, "b": "hidden value", "c": true])
        let error = await refusal { try await fixture.createEnvironment(variables: ["a": 1, "b": "other"]) }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("variables.b, variables.c") == true)
        #expect(error?.message.contains("hidden") == false)
    }

    @Test(arguments: ["", "Dev", "1dev", "a-b", "a/b", "../x", "é", String(repeating: "a", count: 64)])
    func `a name that is not plain is refused`(name: String) async throws {
        let fixture = try ReleasesFixture()
        let error = await refusal { try await fixture.createEnvironment(name) }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.hasPrefix("name: ") == true)
    }

    @Test(arguments: [JSONValue.null, [], ["a": 1], .string(String(repeating: "x", count: 4097))])
    func `a variable that is no scalar, or too long, is refused by name`(value: JSONValue) async throws {
        let fixture = try ReleasesFixture()
        let error = await refusal { try await fixture.createEnvironment(variables: ["bad": value]) }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.hasPrefix("variables.bad: ") == true)
    }

    @Test func `environments are listed by name in pages`() async throws {
        let fixture = try ReleasesFixture()
        for name in ["prod", "dev", "test"] { try await fixture.createEnvironment(name) }
        let first = try await fixture.environments.list(after: nil, limit: 2)
        #expect(first.items.map(\.name) == ["dev", "prod"] && first.next == "prod")
        let second = try await fixture.environments.list(after: first.next, limit: 2)
        #expect(second.items.map(\.name) == ["test"] && second.next == nil)
    }

    @Test func `an environment that is not there is not found`() async throws {
        let fixture = try ReleasesFixture()
        #expect(await refusal { try await fixture.environments.show("prod") }?.code == .notFound)
    }
}
