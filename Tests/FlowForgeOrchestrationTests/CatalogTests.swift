import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct CatalogTests {
    private let namespace = "flowforge://dev"

    private func input(_ name: String, _ field: String, _ type: String = "DIRECT", _ subtype: String = "IDENTITY") -> JSONValue {
        [
            "namespace": .string(name.hasPrefix("/") ? namespace + "/sources" : namespace), "name": .string(name),
            "field": .string(field), "transformations": [["type": .string(type), "subtype": .string(subtype)]],
        ]
    }

    private func complete(
        _ work: AgentAPI.Assignment, inputs: [String], output: String, fields: [String: [JSONValue]],
        dataset: [JSONValue] = []
    ) -> OpenLineage.RunEvent {
        let columns = fields.mapValues { JSONValue.object(["inputFields": .array($0)]) }
        return OpenLineage.RunEvent(
            eventTime: work.runTime, eventType: .complete, run: .init(runId: work.attempt.uuid),
            job: .init(namespace: namespace, name: "daily.\(work.task)"),
            inputs: inputs.map { .init(namespace: $0.hasPrefix("/") ? namespace + "/sources" : namespace, name: $0) },
            outputs: [
                .init(
                    namespace: namespace, name: output,
                    facets: ["columnLineage": ["fields": .object(columns), "dataset": .array(dataset)]])
            ])
    }

    /// /raw/orders.csv → bronze.orders → silver.orders → gold.sales
    private func medallionRun() async throws -> ControlPlane {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        try await plane.start()
        let ingest = try await agent.take()
        try await agent.succeed(
            ingest, output: "bronze.orders", columns: ["id", "amount", "country"],
            lineage: complete(
                ingest, inputs: ["/raw/orders.csv"], output: "bronze.orders",
                fields: [
                    "id": [input("/raw/orders.csv", "id")], "amount": [input("/raw/orders.csv", "amount")],
                    "country": [input("/raw/orders.csv", "country")],
                ]))
        let clean = try await agent.take()
        try await agent.succeed(
            clean, output: "silver.orders", columns: ["id", "amount"],
            lineage: complete(
                clean, inputs: ["bronze.orders", "silver.orders"], output: "silver.orders",
                fields: [
                    "id": [input("bronze.orders", "id")],
                    "amount": [input("bronze.orders", "amount", "DIRECT", "TRANSFORMATION")],
                ], dataset: [input("bronze.orders", "country", "INDIRECT", "FILTER")]))
        let sum = try await agent.take()
        try await agent.succeed(
            sum, output: "gold.sales", columns: ["total"],
            lineage: complete(
                sum, inputs: ["silver.orders"], output: "gold.sales",
                fields: ["total": [input("silver.orders", "amount", "DIRECT", "AGGREGATION")]]))
        return plane
    }

    private func names(_ view: OperatorAPI.LineageView) -> [String] {
        view.nodes.map { [$0.name, $0.column].compactMap { $0 }.joined(separator: "#") }
    }

    private func lineage(
        _ plane: ControlPlane, _ asset: String, _ column: String? = nil, _ direction: OperatorAPI.LineageDirection = .upstream,
        depth: Int = 10
    ) async throws -> OperatorAPI.LineageView {
        try await plane.catalog.lineage(
            of: AssetName(asset)!, column: column, environment: "dev", direction: direction, depth: depth)
    }

    @Test func `tables are traced back to raw files and forward to gold`() async throws {
        let plane = try await medallionRun()
        let up = try await lineage(plane, "gold.sales")
        #expect(names(up) == ["gold.sales", "silver.orders", "bronze.orders", "/raw/orders.csv"])
        #expect(up.nodes.last?.kind == .source)
        #expect(up.edges.map(\.task) == ["sum", "clean", "ingest"])
        #expect(up.edges.allSatisfy { $0.type == nil })
        #expect(
            names(try await lineage(plane, "bronze.orders", nil, .downstream)) == [
                "bronze.orders", "silver.orders", "gold.sales",
            ])
        #expect(names(try await lineage(plane, "gold.sales", depth: 1)) == ["gold.sales", "silver.orders"])
    }

    @Test func `a column is traced along direct edges, and what filters it is listed`() async throws {
        let plane = try await medallionRun()
        let up = try await lineage(plane, "gold.sales", "total")
        #expect(
            names(up) == [
                "gold.sales#total", "silver.orders#amount", "bronze.orders#amount", "bronze.orders#country",
                "/raw/orders.csv#amount",
            ])
        #expect(up.edges.map(\.subtype) == ["AGGREGATION", "TRANSFORMATION", "FILTER", "IDENTITY"])
        let down = try await lineage(plane, "bronze.orders", "amount", .downstream)
        #expect(names(down) == ["bronze.orders#amount", "silver.orders#amount", "gold.sales#total"])
        let filter = try await lineage(plane, "bronze.orders", "country", .downstream)
        #expect(names(filter) == ["bronze.orders#country", "silver.orders"])
        #expect(filter.edges.map(\.type) == ["INDIRECT"])
    }

    @Test func `a newer outcome replaces the edges of the one before`() async throws {
        let plane = try await medallionRun()
        let agent = try await plane.agent()
        try await plane.start()
        let ingest = try await agent.take()
        try await agent.succeed(
            ingest, output: "bronze.orders", columns: ["id"],
            lineage: complete(
                ingest, inputs: ["/raw/new.csv"], output: "bronze.orders", fields: ["id": [input("/raw/new.csv", "no")]]))
        #expect(names(try await lineage(plane, "bronze.orders")) == ["bronze.orders", "/raw/new.csv"])
        #expect(names(try await lineage(plane, "bronze.orders", "id")) == ["bronze.orders#id", "/raw/new.csv#no"])
    }

    @Test func `lineage of a failed attempt is not believed`() async throws {
        let plane = try await medallionRun()
        let agent = try await plane.agent()
        try await plane.start()
        let ingest = try await agent.take()
        let event = complete(ingest, inputs: ["/raw/bad.csv"], output: "bronze.orders", fields: [:])
        try await agent.report(.lineage(event), .finished(agent.failure()), of: ingest)
        #expect(names(try await lineage(plane, "bronze.orders")) == ["bronze.orders", "/raw/orders.csv"])
    }

    @Test func `facets of a strange form are left out`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        try await plane.start()
        let work = try await agent.take()
        var event = complete(work, inputs: ["/raw/a.csv"], output: "bronze.one", fields: [:])
        event.outputs[0].facets["columnLineage"] = [
            "fields": [
                "id": ["inputFields": [["name": 1], "x", ["namespace": "n", "name": "t", "field": "c"]]], "": ["inputFields": []],
                "other": 7,
            ], "dataset": "?",
        ]
        try await agent.succeed(work, output: "bronze.one", lineage: event)
        #expect(names(try await lineage(plane, "bronze.one", "id")) == ["bronze.one#id", "n/t#c"])
        #expect(names(try await lineage(plane, "bronze.one")) == ["bronze.one", "/raw/a.csv"])
    }

    @Test func `an asset shows its schema, statistics, checks and history`() async throws {
        let plane = try await ControlPlane([task("ingest", output: "bronze.orders")])
        let agent = try await plane.agent()
        for columns in [["id", "amount"], ["id"], ["id"], ["id", "extra"]] {
            plane.time.advance(60)
            try await plane.start()
            let work = try await agent.take()
            var end = agent.success("bronze.orders", columns: columns)
            end.checks = [CheckResult(name: "row_count", kind: "row_count", severity: .warn, passed: false, message: "few")]
            try await agent.report(.finished(end), of: work)
        }
        let asset = try await plane.catalog.asset(AssetName("bronze.orders")!, environment: "dev")
        #expect(asset.snapshot.version == 4 && asset.rows == 2 && asset.task == "ingest")
        #expect(asset.schema?.map(\.name) == ["id", "extra"])
        #expect(asset.statistics?.map(\.column) == ["id", "extra"])
        #expect(asset.checks?.map(\.name) == ["row_count"])
        #expect(asset.history?.map(\.snapshot.version) == [4, 3, 2, 1])
        #expect(asset.history?.map(\.schemaChanged) == [true, false, true, false])
    }

    @Test func `assets are listed by name, page by page and by layer`() async throws {
        let plane = try await medallionRun()
        let first = try await plane.catalog.assets(environment: "dev", layer: nil, after: nil, limit: 2)
        let second = try await plane.catalog.assets(environment: "dev", layer: nil, after: first.next, limit: 2)
        #expect((first.items + second.items).map(\.name.description) == ["bronze.orders", "gold.sales", "silver.orders"])
        #expect(first.items.allSatisfy { $0.schema == nil } && second.next == nil)
        let gold = try await plane.catalog.assets(environment: "dev", layer: .gold, after: nil, limit: 10)
        #expect(gold.items.map(\.name.description) == ["gold.sales"])
    }

    @Test func `an unknown asset, column or environment is refused with names near it`() async throws {
        let plane = try await medallionRun()
        func hint(_ body: () async throws -> Void) async -> String? {
            do { try await body() } catch { return (error as? APIError)?.code == .notFound ? (error as? APIError)?.hint : nil }
            return nil
        }
        #expect(await hint { _ = try await lineage(plane, "gold.salse") } == "did you mean 'gold.sales'?")
        #expect(await hint { _ = try await lineage(plane, "gold.orders") }?.contains("orders") == true)
        #expect(await hint { _ = try await lineage(plane, "gold.sales", "totl") } == "did you mean 'total'?")
        #expect(
            await hint { _ = try await plane.catalog.asset(AssetName("silver.order")!, environment: "dev") }
                == "did you mean 'silver.orders'?")
        #expect(
            await hint { _ = try await plane.catalog.assets(environment: "dv", layer: nil, after: nil, limit: 1) }
                == "did you mean 'dev'?")
    }
}
