import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// The values that a task sees: parameters, variables and the run's own, typed as the manifest says.
/// SQL reads them with `getvariable('name')`; they are never pasted into it.
struct TaskVariables: Sendable {
    struct Value: Hashable, Sendable {
        var type: ParameterType
        var value: JSONValue
    }

    let parameters: [String: Value]
    let variables: [String: Value]
    let runTime: Date
    let scheduledFor: Date
    let run: ID<Run>

    /// Values that the assignment leaves out take the manifest's default.
    init(_ work: TaskWork) {
        parameters = Self.merge(work.manifest.parameters, work.assignment.parameters)
        variables = Self.merge(work.manifest.variables, work.assignment.variables)
        runTime = work.assignment.runTime
        scheduledFor = work.assignment.scheduledFor ?? runTime
        run = work.assignment.run
    }

    private static func merge(_ specs: [ParameterSpec], _ given: [String: JSONValue]) -> [String: Value] {
        var values = given.mapValues { Value(type: .unknown, value: $0) }
        for spec in specs {
            if let value = given[spec.name] ?? spec.defaultValue { values[spec.name] = Value(type: spec.type, value: value) }
        }
        return values
    }

    /// One `SET VARIABLE` for each. A parameter hides a variable of the same name; `run_time`,
    /// `scheduled_for` and `run_id` are the run's.
    var statements: [String] {
        let all = variables.merging(parameters) { $1 }
        return all.sorted { $0.key < $1.key }.map {
            "SET VARIABLE \(SQLText.identifier($0.key)) = \(SQLText.literal($0.value.value, as: $0.value.type))"
        } + [
            "SET VARIABLE run_time = \(SQLText.literal(runTime))",
            "SET VARIABLE scheduled_for = \(SQLText.literal(scheduledFor))",
            "SET VARIABLE run_id = \(SQLText.literal(run.description))",
        ]
    }

    /// Replaces `${parameters.x}` and `${variables.x}`. In a path a parameter must be one plain part of
    /// it. Throws `unknown_variable` where there is no such value.
    func expand(_ text: String, in what: String, asPath: Bool = false) throws -> String {
        let template: Template
        do { template = try Template(text) } catch {
            throw TaskError(code: "manifest", message: "\(what): \(error.description)", hint: error.hint)
        }
        let resolved = template.resolve(
            variables: variables.mapValues(\.value), parameters: parameters.mapValues(\.value), asPath: asPath)
        guard let resolved else {
            throw TaskError(
                code: "unknown_variable",
                message: "\(what) '\(text)' cannot be filled in: "
                    + (asPath ? "a value is missing, or a parameter holds '/', '..' or a glob" : "a value is missing"),
                hint: "declare it in flowforge.yaml and bind it in the environment, or give the run another value")
        }
        return resolved
    }

    /// A value as plain text: for paths, arguments and environments of commands.
    static func text(_ value: JSONValue) -> String {
        switch value {
        case .null: ""
        case .bool(let flag): String(flag)
        case .integer(let number): String(number)
        case .number(let number): Int64(exactly: number).map(String.init) ?? String(number)
        case .string(let text): text
        case .array, .object: String(decoding: (try? WireCoding.encode(value)) ?? Data(), as: UTF8.self)
        }
    }
}
