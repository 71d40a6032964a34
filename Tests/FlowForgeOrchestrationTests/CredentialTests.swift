import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Testing

@testable import FlowForgeOrchestration

/// References to secrets on their way from the environment to the task.
@Suite(.timeLimit(.minutes(1))) struct CredentialTests {
    private let declared = ["crm": "env://CRM", "warehouse": "aws-sm://w?region=eu-west-1&version=v", "other": "env://OTHER"]

    private func tasks() -> [TaskSpec] {
        var first = task("first", output: "bronze.first", engine: "command")
        first.credentials = ["crm", "warehouse"]
        return [first, task("second", inputs: ["bronze.first"], output: "bronze.second")]
    }

    private func take(_ agent: TestAgent) async throws -> AgentAPI.Assignment {
        try #require(try await agent.poll(engines: ["command", "duckdb"]).assignments.first)
    }

    @Test func `a task is told where the secrets lie that it names, and no others`() async throws {
        let plane = try await ControlPlane(tasks(), credentials: declared)
        let agent = try await plane.agent()
        let run = try await plane.start()
        let first = try await take(agent)
        #expect(first.credentials == ["crm": "env://CRM", "warehouse": "aws-sm://w?version=v&region=eu-west-1"])
        #expect(try await plane.store.read { try $0.runs.find(run.id)?.credentials.keys.sorted() } == ["crm", "warehouse"])
        try await agent.succeed(first, output: "bronze.first")
        let second = try await take(agent)
        #expect(second.credentials == nil)
        let bytes = try WireCoding.encode(second)
        #expect(String(decoding: bytes, as: UTF8.self).contains("credentials") == false)
    }

    @Test func `a run keeps what it was started with, a re-run takes what is there now`() async throws {
        let plane = try await ControlPlane(tasks(), credentials: declared)
        let agent = try await plane.agent()
        let run = try await plane.start()
        try await plane.store.write { session in
            let row = try #require(try session.environments.find("dev"))
            var spec = row.spec
            spec.credentials = ["crm": "env://NEW", "warehouse": "aws-sm://w"]
            let new = try session.environments.update(row, spec: spec, overrides: [:])
            let bundle = try #require(try session.releases.current(environment: "dev").first).bundle
            _ = try session.releases.insert(
                .make(), environment: "dev", bundle: bundle, config: new.releaseConfig, by: "principal:test")
        }
        let first = try await take(agent)
        #expect(first.credentials?["crm"] == "env://CRM")
        try await agent.report(.finished(agent.failure()), of: first)
        _ = try await plane.starter.rerun(run.id, .init(), by: .principal("ada"))
        #expect(try await take(agent).credentials == ["crm": "env://NEW", "warehouse": "aws-sm://w"])
    }

    @Test func `a run whose environment has lost one is refused`() async throws {
        let plane = try await ControlPlane(tasks(), credentials: ["crm": "env://CRM"])
        let error = await #expect(throws: APIError.self) { try await plane.start() }
        #expect(error?.code == .invalidRequest && error?.message.contains("warehouse") == true)
    }
}
