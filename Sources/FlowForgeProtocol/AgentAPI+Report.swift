public import Foundation

extension AgentAPI {
    /// `POST /agent/v1/report`: numbered events from the agent's spool, in order, without gaps.
    ///
    /// The control plane stores the batch and its acknowledgement in one transaction. Events at or
    /// below the acknowledged number are skipped, so repeating a batch changes nothing. An event
    /// under a lease that is no longer current is counted and dropped, not an error: the batch goes on.
    public struct ReportRequest: Sendable, Codable {
        /// Made when the spool is created; a new spool starts again at number 1.
        public var spool: ID<Spool>
        public var events: [ReportEvent]
        /// Present when the agent would take on new work in the place of what the events say has
        /// finished; the answer may then bring it.
        public var offer: WorkOffer?
        /// See ``PollRequest/process``.
        public var process: ID<AgentProcess>?
        public init(
            spool: ID<Spool>, events: [ReportEvent], offer: WorkOffer? = nil, process: ID<AgentProcess>? = nil
        ) {
            self.spool = spool
            self.events = events
            self.offer = offer
            self.process = process
        }
    }

    public struct ReportResponse: Sendable, Codable {
        /// Everything up to this number is durable; the agent may drop it.
        public var acknowledged: Int64
        /// Leases under which events were dropped; the agent ends that work.
        public var stale: [ID<Lease>]
        /// Outcomes of this batch that were accepted and whose pointer may now move.
        public var publications: [Publication]
        /// As in a poll's answer; only where the request had an `offer`.
        public var assignments: [Assignment]?
        public init(
            acknowledged: Int64, stale: [ID<Lease>] = [], publications: [Publication] = [],
            assignments: [Assignment]? = nil
        ) {
            self.acknowledged = acknowledged
            self.stale = stale
            self.publications = publications
            self.assignments = assignments
        }
    }

    public struct ReportEvent: Sendable, Codable {
        /// From 1, without gaps within a spool.
        public var number: Int64
        public var at: Date
        /// What the event is about; absent on events of the agent itself.
        public var attempt: ID<Attempt>?
        public var lease: ID<Lease>?
        public var fencing: Int64?
        public var body: ReportBody

        public init(
            number: Int64, at: Date, attempt: ID<Attempt>? = nil, lease: ID<Lease>? = nil, fencing: Int64? = nil,
            body: ReportBody
        ) {
            self.number = number
            self.at = at
            self.attempt = attempt
            self.lease = lease
            self.fencing = fencing
            self.body = body
        }
    }

    /// On the wire `{"type": "<case>", "<case>": {…}}`.
    public enum ReportBody: Sendable {
        /// The task's process runs; the lease is prolonged from here.
        case started(Started)
        /// Lines of the attempt's log; `offset` is the number of the first, from 0, gap-free.
        case log(LogChunk)
        case progress(TaskProgress)
        /// An OpenLineage RunEvent.
        case lineage(OpenLineage.RunEvent)
        /// The attempt's end; the last event under its lease.
        case finished(Finished)
        /// The pointer file of an asset has moved.
        case published(Publication)
        /// Files have arrived for which a trigger waits.
        case arrived(Arrival)
        /// An inquiry has its answer.
        case answered(Answered)
        /// The spool was full and this many events were dropped, oldest log lines first.
        case dropped(Dropped)
        /// A type that this build does not know; acknowledged and ignored.
        case unknown(String)
    }

    public struct Started: Hashable, Sendable, Codable {
        public var pid: Int32
        public init(pid: Int32) { self.pid = pid }
    }

    public struct LogChunk: Hashable, Sendable, Codable {
        public var offset: Int64
        public var lines: [LogLine]
        public init(offset: Int64, lines: [LogLine]) {
            self.offset = offset
            self.lines = lines
        }
    }

    /// Files that two looks found unchanged, each told once for each watch.
    public struct Arrival: Hashable, Sendable, Codable {
        public var trigger: ID<Trigger>
        public var fencing: Int64
        public var files: [ArrivedFile]
        public init(trigger: ID<Trigger>, fencing: Int64, files: [ArrivedFile]) {
            self.trigger = trigger
            self.fencing = fencing
            self.files = files
        }
    }

    public struct ArrivedFile: Hashable, Sendable, Codable {
        /// Relative to the part of the pattern before its first wildcard.
        public var name: String
        public var size: Int64
        /// SHA-256 of name, size and time of change, in hexadecimal; not of what is in the file.
        public var digest: String
        public init(name: String, size: Int64, digest: String) {
            self.name = name
            self.size = size
            self.digest = digest
        }
    }

    public struct Dropped: Hashable, Sendable, Codable {
        public var events: Int64
        public init(events: Int64) { self.events = events }
    }

    public struct Finished: Hashable, Sendable, Codable {
        public var outcome: Outcome
        public var metrics: TaskMetrics
        public var checks: [CheckResult]
        /// Present exactly when the outcome is `succeeded` and the task has an output.
        public var output: TaskOutput?
        public var error: TaskError?
        /// The attempt's log lines in all; with the chunks' offsets it proves the log complete.
        public var logLines: Int64

        public init(
            outcome: Outcome, metrics: TaskMetrics, checks: [CheckResult] = [], output: TaskOutput? = nil,
            error: TaskError? = nil, logLines: Int64 = 0
        ) {
            self.outcome = outcome
            self.metrics = metrics
            self.checks = checks
            self.output = output
            self.error = error
            self.logLines = logLines
        }
    }
}

extension AgentAPI.ReportBody: Codable {
    enum CodingKeys: String, CodingKey {
        case type, started, log, progress, lineage, finished, published, arrived, answered, dropped
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let type = try container.decode(String.self, forKey: .type)
        switch CodingKeys(rawValue: type) {
        case .started: self = .started(try container.decode(AgentAPI.Started.self, forKey: .started))
        case .log: self = .log(try container.decode(AgentAPI.LogChunk.self, forKey: .log))
        case .progress: self = .progress(try container.decode(TaskProgress.self, forKey: .progress))
        case .lineage: self = .lineage(try container.decode(OpenLineage.RunEvent.self, forKey: .lineage))
        case .finished: self = .finished(try container.decode(AgentAPI.Finished.self, forKey: .finished))
        case .published: self = .published(try container.decode(AgentAPI.Publication.self, forKey: .published))
        case .arrived: self = .arrived(try container.decode(AgentAPI.Arrival.self, forKey: .arrived))
        case .answered: self = .answered(try container.decode(AgentAPI.Answered.self, forKey: .answered))
        case .dropped: self = .dropped(try container.decode(AgentAPI.Dropped.self, forKey: .dropped))
        case .type, nil: self = .unknown(type)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        func put(_ key: CodingKeys, _ value: some Encodable) throws {
            try container.encode(key.rawValue, forKey: .type)
            try container.encode(value, forKey: key)
        }
        switch self {
        case .started(let value): try put(.started, value)
        case .log(let value): try put(.log, value)
        case .progress(let value): try put(.progress, value)
        case .lineage(let value): try put(.lineage, value)
        case .finished(let value): try put(.finished, value)
        case .published(let value): try put(.published, value)
        case .arrived(let value): try put(.arrived, value)
        case .answered(let value): try put(.answered, value)
        case .dropped(let value): try put(.dropped, value)
        case .unknown(let type): try container.encode(type, forKey: .type)
        }
    }
}
