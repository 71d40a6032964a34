import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct RunStartTests {
    private func refusal(_ body: () async throws -> Void) async -> APIError? {
        do { try await body() } catch { return error as? APIError }
        return nil
    }

    @Test func `a run has every task of its flow, in order, and its roots are ready`() async throws {
        let plane = try await ControlPlane()
        let run = try await plane.start()
        #expect(run.state == .queued)
        #expect(run.tasks?.map(\.name) == ["ingest", "clean", "sum"])
        #expect(run.states == [.ready, .waiting, .waiting])
        #expect(run.tasks?.map(\.dependsOn) == [[], ["ingest"], ["clean"]])
        #expect(run.createdBy == "principal:ada")
        #expect(try await plane.audited("run.start").map(\.subject) == [run.id.description])
    }

    @Test func `parameters are bound with their defaults and variables from the environment`() async throws {
        let plane = try await ControlPlane(
            parameters: [.init(name: "year", type: .integer), .init(name: "month", type: .integer, defaultValue: 1)],
            variables: [.init(name: "raw_dir", type: .path)], bound: ["raw_dir": "/data", "of_another_bundle": 1])
        let run = try await plane.start(parameters: ["year": "2013"])
        #expect(run.parameters == ["year": 2013, "month": 1])
        let work = try await plane.agent().take()
        #expect(work.parameters == ["year": 2013, "month": 1])
        #expect(work.variables == ["raw_dir": "/data"])
        #expect(work.runTime == run.createdAt)
    }

    @Test func `wrong, missing and unknown parameters are told all at once`() async throws {
        let plane = try await ControlPlane(parameters: [
            .init(name: "year", type: .integer), .init(name: "month", type: .integer),
        ])
        let error = await refusal { try await plane.start(parameters: ["month": "May", "yaer": 1]) }
        #expect(error?.code == .invalidRequest)
        for name in ["year", "month", "yaer"] { #expect(error?.message.contains("'\(name)'") == true) }
        #expect(try await plane.reader.list(environment: nil, state: nil, after: nil, limit: 10).items.isEmpty)
    }

    @Test func `a variable that the environment does not bind is named`() async throws {
        let plane = try await ControlPlane(variables: [.init(name: "raw_dir", type: .path)])
        let error = await refusal { try await plane.start() }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.contains("raw_dir") == true && error?.hint?.contains("env create") == true)
        #expect(error?.metadata["variables"] == "raw_dir")
    }

    @Test func `an unknown environment, flow or bundle is refused with the nearest name`() async throws {
        let plane = try await ControlPlane()
        for error in [
            await refusal { try await plane.start(environment: "dve") }, await refusal { try await plane.start(flow: "dialy") },
            await refusal { try await plane.start(bundle: "shpo") },
        ] {
            #expect(error?.code == .notFound)
            #expect(error?.hint?.contains("did you mean") == true)
        }
    }

    @Test func `a flow that two bundles have needs the bundle's name`() async throws {
        let plane = try await ControlPlane()
        try await plane.deploy(
            Manifest(name: "other", version: "1", flows: [FlowSpec(name: "daily", tasks: [task("x", output: "bronze.x")])]))
        let error = await refusal { try await plane.start() }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("other, shop") == true)
        #expect(try await plane.start(bundle: "other").bundle.name == "other")
    }

    @Test func `the same idempotency key starts one run`() async throws {
        let plane = try await ControlPlane(parameters: [.init(name: "day", type: .integer)])
        let first = try await plane.start(parameters: ["day": 1], key: "k")
        let again = try await plane.starter.start(
            .init(environment: "dev", flow: "daily", parameters: ["day": "1"], idempotencyKey: "k"), by: .principal("bob"))
        #expect(again.run.id == first.id && !again.created)
        let error = await refusal { try await plane.start(parameters: ["day": 2], key: "k") }
        #expect(error?.code == .conflict && error?.metadata["run"] == first.id.description)
    }

    @Test func `runs are listed newest first, page by page`() async throws {
        let plane = try await ControlPlane()
        var started: [ID<Run>] = []
        for _ in 0..<5 {
            plane.time.advance(1)
            started.append(try await plane.start().id)
        }
        let first = try await plane.reader.list(environment: "dev", state: .queued, after: nil, limit: 3)
        let second = try await plane.reader.list(environment: "dev", state: nil, after: first.next, limit: 3)
        #expect((first.items + second.items).map(\.id) == started.reversed())
        #expect(first.next != nil && second.next == nil)
        #expect(first.items.allSatisfy { $0.tasks == nil })
        let error = await refusal { _ = try await plane.reader.list(environment: nil, state: nil, after: "x", limit: 1) }
        #expect(error?.code == .invalidRequest)
    }
}
