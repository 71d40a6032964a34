public import Foundation

/// OpenLineage 2-0-2 run events (https://openlineage.io/spec/2-0-2/OpenLineage.json). The core is
/// typed; facets are carried as they are, because anyone may add one.
public enum OpenLineage {
    public static let producer = "https://flowforge.dev/agent/\(FlowForgeVersion.current)"
    public static let schemaURL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

    public enum EventType: String, WireEnum {
        case start = "START"
        case running = "RUNNING"
        case complete = "COMPLETE"
        case abort = "ABORT"
        case fail = "FAIL"
        case other = "OTHER"
        case unknown
    }

    public struct RunEvent: Hashable, Sendable, Codable {
        public var eventTime: Date
        public var eventType: EventType
        public var producer: String
        public var schemaURL: String
        public var run: Run
        public var job: Job
        public var inputs: [Dataset]
        public var outputs: [Dataset]

        public init(
            eventTime: Date, eventType: EventType, producer: String = OpenLineage.producer,
            schemaURL: String = OpenLineage.schemaURL, run: Run, job: Job, inputs: [Dataset], outputs: [Dataset]
        ) {
            self.eventTime = eventTime
            self.eventType = eventType
            self.producer = producer
            self.schemaURL = schemaURL
            self.run = run
            self.job = job
            self.inputs = inputs
            self.outputs = outputs
        }
    }

    public struct Run: Hashable, Sendable, Codable {
        /// The attempt's id as a UUID.
        public var runId: UUID
        public var facets: [String: JSONValue]
        public init(runId: UUID, facets: [String: JSONValue] = [:]) {
            self.runId = runId
            self.facets = facets
        }
    }

    public struct Job: Hashable, Sendable, Codable {
        public var namespace: String
        public var name: String
        public var facets: [String: JSONValue]
        public init(namespace: String, name: String, facets: [String: JSONValue] = [:]) {
            self.namespace = namespace
            self.name = name
            self.facets = facets
        }
    }

    /// An input (with `inputFacets`) or an output (with `outputFacets`).
    public struct Dataset: Hashable, Sendable, Codable {
        public var namespace: String
        public var name: String
        public var facets: [String: JSONValue]
        public var inputFacets: [String: JSONValue]?
        public var outputFacets: [String: JSONValue]?
        public init(
            namespace: String, name: String, facets: [String: JSONValue] = [:],
            inputFacets: [String: JSONValue]? = nil, outputFacets: [String: JSONValue]? = nil
        ) {
            self.namespace = namespace
            self.name = name
            self.facets = facets
            self.inputFacets = inputFacets
            self.outputFacets = outputFacets
        }
    }

    /// The namespace of assets and jobs of an environment.
    public static func namespace(environment: String) -> String { "flowforge://\(environment)" }
    /// The namespace of raw files that a task ingests; their name is the source's path as the manifest
    /// gives it, so that it does not name the customer's folders.
    public static func sourceNamespace(environment: String) -> String { "flowforge://\(environment)/sources" }
}
