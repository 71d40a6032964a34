import FlowForgeProtocol
import Foundation

/// Hands reports on without secrets in them.
struct RedactingReporter: TaskReporting {
    let inner: any TaskReporting
    let redactor: Redactor

    func started(pid: Int32) async throws { try await inner.started(pid: pid) }
    func log(_ stream: LogStream, _ text: String) async throws { try await inner.log(stream, redactor.redact(text)) }

    func progress(_ progress: TaskProgress) async throws {
        var progress = progress
        progress.label = redactor.redact(progress.label)
        try await inner.progress(progress)
    }

    func lineage(_ event: OpenLineage.RunEvent) async throws { try await inner.lineage(redactor.redact(event)) }
}

extension Redactor {
    func redact(_ finished: AgentAPI.Finished) -> AgentAPI.Finished {
        var finished = finished
        finished.error = finished.error.map(redact)
        for index in finished.checks.indices { finished.checks[index].message = redact(finished.checks[index].message) }
        // A program may have named a column of what it wrote by anything.
        if var output = finished.output {
            for index in output.schema.indices {
                output.schema[index].name = redact(output.schema[index].name)
                output.schema[index].type = redact(output.schema[index].type)
            }
            for index in output.statistics.indices {
                output.statistics[index].column = redact(output.statistics[index].column)
                output.statistics[index].minimum = unlessSecret(output.statistics[index].minimum)
                output.statistics[index].maximum = unlessSecret(output.statistics[index].maximum)
            }
            finished.output = output
        }
        return finished
    }

    func redact(_ error: TaskError) -> TaskError {
        var error = error
        error.message = redact(error.message)
        error.hint = error.hint.map { redact($0) }
        return error
    }

    func redact(_ event: OpenLineage.RunEvent) -> OpenLineage.RunEvent {
        var event = event
        event.run.facets = redact(event.run.facets)
        event.job.facets = redact(event.job.facets)
        for index in event.inputs.indices { event.inputs[index] = redact(event.inputs[index]) }
        for index in event.outputs.indices { event.outputs[index] = redact(event.outputs[index]) }
        return event
    }

    private func redact(_ dataset: OpenLineage.Dataset) -> OpenLineage.Dataset {
        var dataset = dataset
        dataset.facets = redact(dataset.facets)
        dataset.inputFacets = dataset.inputFacets.map { redact($0) }
        dataset.outputFacets = dataset.outputFacets.map { redact($0) }
        return dataset
    }

    private func redact(_ members: [String: JSONValue]) -> [String: JSONValue] {
        Dictionary(members.map { (redact($0.key), redact($0.value)) }) { first, _ in first }
    }

    private func redact(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text): .string(redact(text))
        case .array(let items): .array(items.map { redact($0) })
        case .object(let members): .object(redact(members))
        case .integer, .number: unlessSecret(value) ?? .null
        case .null, .bool: value
        }
    }

    /// A number that is a secret is left out.
    private func unlessSecret(_ value: JSONValue?) -> JSONValue? {
        guard let value else { return nil }
        let text = TaskVariables.text(value)
        return redact(text) == text ? value : nil
    }
}
