import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// The OpenLineage events of one attempt: START, then one of COMPLETE, FAIL and ABORT. The run is the
/// attempt, its parent the FlowForge run; the job is `<bundle>.<flow>.<task>`.
struct LineageEvents: Sendable {
    let work: TaskWork
    let engineVersion: String

    private var namespace: String { OpenLineage.namespace(environment: work.assignment.environment) }

    func start(at time: Date) -> OpenLineage.RunEvent {
        event(.start, at: time, run: [], inputs: declaredInputs, outputs: outputs(nil))
    }

    func complete(_ result: TaskResult, at time: Date) -> OpenLineage.RunEvent {
        event(.complete, at: time, run: [], inputs: inputs(result.facts), outputs: outputs(result))
    }

    /// `result` where the task ran to its end and its checks failed.
    func fail(_ error: TaskError, result: TaskResult?, at time: Date) -> OpenLineage.RunEvent {
        let facet = LineageFacets.errorMessage(error, language: work.task.command == nil ? "SQL" : "COMMAND")
        return event(
            .fail, at: time, run: [facet], inputs: result.map { inputs($0.facts) } ?? declaredInputs, outputs: outputs(result))
    }

    func abort(at time: Date) -> OpenLineage.RunEvent {
        event(.abort, at: time, run: [], inputs: declaredInputs, outputs: outputs(nil))
    }

    private func event(
        _ type: OpenLineage.EventType, at time: Date, run: [LineageFacets.Facet], inputs: [OpenLineage.Dataset],
        outputs: [OpenLineage.Dataset]
    ) -> OpenLineage.RunEvent {
        let assignment = work.assignment
        let flow = "\(assignment.bundle.name).\(assignment.flow)"
        let runFacets: [LineageFacets.Facet?] =
            [
                LineageFacets.parent(run: assignment.run, namespace: namespace, job: flow),
                LineageFacets.nominalTime(assignment.runTime),
                LineageFacets.processingEngine(name: work.task.engine, version: engineVersion),
            ] + run
        let type_ = work.task.source != nil ? "INGEST" : work.task.command != nil ? "COMMAND" : "QUERY"
        return OpenLineage.RunEvent(
            eventTime: time, eventType: type,
            run: .init(runId: assignment.attempt.uuid, facets: LineageFacets.all(runFacets)),
            job: .init(
                namespace: namespace, name: "\(flow).\(work.task.name)",
                facets: LineageFacets.all([LineageFacets.jobType(type_), query.map(LineageFacets.sql)])),
            inputs: inputs, outputs: outputs)
    }

    /// In bytes. A larger query is left out, so that the event stays within what a report may carry.
    private static let largestQuery = 256 << 10

    private var query: String? {
        work.task.sql.flatMap { try? String(contentsOf: work.bundleFolder.appending(path: $0), encoding: .utf8) }
            .flatMap { $0.utf8.count <= Self.largestQuery ? $0 : nil }
    }

    private func columnLineage(_ facts: TaskFacts) -> LineageFacets.Facet? {
        guard let lineage = facts.columnLineage, lineage.isTellable else { return nil }
        return LineageFacets.columnLineage(lineage, named: named)
    }

    /// The inputs by name alone: what is known before, or without, a result.
    private var declaredInputs: [OpenLineage.Dataset] {
        let assets = work.task.inputs.map { InputFacts.Origin.asset($0) }
        let sources = work.task.source.map { [InputFacts.Origin.source(pattern: $0.path)] } ?? []
        return (sources + assets).map { origin in
            let name = named(origin)
            return .init(namespace: name.namespace, name: name.name, facets: LineageFacets.all([dataSource(origin)]))
        }
    }

    private func inputs(_ facts: TaskFacts) -> [OpenLineage.Dataset] {
        facts.inputs.map { input in
            let name = named(input.origin)
            return .init(
                namespace: name.namespace, name: name.name,
                facets: LineageFacets.all([
                    dataSource(input.origin), input.schema.isEmpty ? nil : LineageFacets.schema(input.schema),
                    input.snapshot.map(LineageFacets.version),
                ]),
                inputFacets: LineageFacets.all([
                    LineageFacets.inputStatistics(rows: input.rows, bytes: input.bytes, files: input.files)
                ]))
        }
    }

    private func outputs(_ result: TaskResult?) -> [OpenLineage.Dataset] {
        guard let asset = work.task.output else { return [] }
        let name = named(.asset(asset))
        let written = result?.output
        return [
            .init(
                namespace: name.namespace, name: name.name,
                facets: LineageFacets.all([
                    dataSource(.asset(asset)), written.map { LineageFacets.schema($0.schema) },
                    written.map { LineageFacets.version($0.snapshot) },
                    written == nil ? nil : result.flatMap { columnLineage($0.facts) },
                ]),
                outputFacets: LineageFacets.all([
                    written == nil
                        ? nil
                        : result.map {
                            LineageFacets.outputStatistics(rows: $0.metrics.rowsWritten, bytes: $0.metrics.bytesWritten)
                        },
                    result.flatMap { LineageFacets.assertions($0.checks) },
                ]))
        ]
    }

    private func dataSource(_ origin: InputFacts.Origin) -> LineageFacets.Facet {
        switch origin {
        case .asset: LineageFacets.dataSource(name: "lake of \(work.assignment.environment)", uri: namespace)
        case .source:
            LineageFacets.dataSource(
                name: "sources of \(work.assignment.environment)",
                uri: OpenLineage.sourceNamespace(environment: work.assignment.environment))
        }
    }

    private func named(_ origin: InputFacts.Origin) -> (namespace: String, name: String) {
        switch origin {
        case .asset(let asset): (namespace, asset.description)
        case .source(let pattern): (OpenLineage.sourceNamespace(environment: work.assignment.environment), pattern)
        }
    }
}
