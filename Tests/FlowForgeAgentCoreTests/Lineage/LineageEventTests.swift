import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// The events against OpenLineage's published JSON schemas: those in `FLOWFORGE_OPENLINEAGE_SCHEMAS`,
/// else in `../shared/openlineage` beside the repository. Where neither is there the classes of
/// openlineage-python stand in, and the test says so.
@Suite struct LineageEventTests {
    @Test func `every event is valid OpenLineage`() async throws {
        let bench = try EngineBench()
        try bench.write("id,v\n1,a\nx,b\n", to: "x.csv", in: bench.raw)
        var events: [OpenLineage.RunEvent] = []
        let ingest = try bench.ingest(
            "x.csv", into: "bronze.x",
            columns: [SourceColumn(name: "id", type: "INTEGER"), SourceColumn(name: "v", type: "VARCHAR")])
        events += try await bench.run(ingest).report.all.events
        let checks = [
            CheckSpec(name: "id is there", rule: .notNull(column: "id")),
            CheckSpec(name: "few", severity: .warn, rule: .rowCount(minimum: 9, maximum: nil)),
        ]
        let good = try await bench.run(
            try bench.select(
                "SELECT id, upper(v) AS u FROM bronze.x WHERE id > 0", into: "silver.x", inputs: ["bronze.x"], checks: checks))
        events += good.report.all.events
        let strict = checks.map { CheckSpec(name: $0.name, rule: $0.rule) }
        events += try await bench.run(
            try bench.select("SELECT id FROM bronze.x", into: "silver.y", inputs: ["bronze.x"], checks: strict)
        ).report.all.events
        events += try await bench.run(try bench.select("SELECT nope", into: "silver.z")).report.all.events
        let script = try bench.write("#!/bin/sh\nexit 1\n", to: "run.sh")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path(percentEncoded: false))
        events += try await bench.run(TaskSpec(name: "cmd", layer: .gold, engine: "command", command: ["run.sh"], output: nil))
            .report.all.events
        let work = try bench.work(ingest)
        events.append(LineageEvents(work: work, engineVersion: "1").abort(at: Date()))
        #expect(
            events.map(\.eventType) == [
                .start, .complete, .start, .complete, .start, .fail, .start, .fail, .start, .fail, .abort,
            ])
        try await validate(events)

        let complete = try #require(good.report.all.events.last)
        #expect(complete.run.runId == good.work.assignment.attempt.uuid)
        #expect(complete.job.name == "test.main.x")
        #expect(complete.job.namespace == "flowforge://dev")
        #expect(complete.inputs.map(\.name) == ["bronze.x"])
        #expect(complete.run.facets["parent"]?["run"]?["runId"]?.string == good.work.assignment.run.uuid.uuidString.lowercased())
        let fields = complete.outputs.first?.facets["columnLineage"]?["fields"]
        #expect(fields?["u"]?["inputFields"]?.array?.first?["field"]?.string == "v")
        #expect(complete.outputs.first?.outputFacets?["dataQualityAssertions"]?["assertions"]?.array?.count == 2)
        let ingested = try #require(
            events[1].outputs.first?.facets["columnLineage"]?["fields"]?["id"]?["inputFields"]?.array?.first)
        #expect(ingested["name"]?.string == "${variables.raw_dir}/x.csv")
    }

    private func validate(_ events: [OpenLineage.RunEvent]) async throws {
        let configured = ProcessInfo.processInfo.environment["FLOWFORGE_OPENLINEAGE_SCHEMAS"].map { URL(filePath: $0) }
        let beside = EngineBench.root.deletingLastPathComponent().appending(path: "shared/openlineage")
        let schemas = configured ?? (FileManager.default.fileExists(atPath: beside.path(percentEncoded: false)) ? beside : nil)
        if schemas == nil { print("the OpenLineage schemas are not on this machine: validating with openlineage-python") }
        let folder = FileManager.default.temporaryDirectory.appending(path: "events-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appending(path: "events.json")
        try WireCoding.encode(events).write(to: input)
        let process = Process()
        process.executableURL = try EngineBench.tool(".tools/python/bin/python")
        process.arguments =
            [
                URL(filePath: #filePath).deletingLastPathComponent().appending(path: "validate_events.py").path(
                    percentEncoded: false),
                input.path(percentEncoded: false),
            ] + (schemas.map { [$0.path(percentEncoded: false)] } ?? [])
        let pipe = Pipe()
        process.standardOutput = pipe
        let (said, status) = try await onThread {
            try process.run()
            let said = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            return (said, process.terminationStatus)
        }
        #expect(status == 0, "\(said)")
    }
}
