public import Foundation

extension OperatorAPI {
    /// `POST /runs/{id}/rerun`: a new run with the bundle, parameters and variables of an earlier one, in
    /// which what is not run again keeps the results that it had.
    public struct RerunRequest: Codable, Sendable {
        /// Only these tasks, and what depends on them; absent: the tasks that did not succeed.
        public var tasks: [String]?
        /// With `tasks`: without what depends on them.
        public var only: Bool?
        /// Every task, whatever became of it.
        public var all: Bool?
        public var priority: Int?
        public init(tasks: [String]? = nil, only: Bool? = nil, all: Bool? = nil, priority: Int? = nil) {
            self.tasks = tasks
            self.only = only
            self.all = all
            self.priority = priority
        }
    }

    /// A flow of an environment's current releases.
    public struct FlowView: Codable, Sendable {
        public var environment: String
        public var bundle: BundleReference
        public var flow: String
        public var description: String
        /// How many of its runs may go on at once; absent: any number.
        public var concurrency: Int?
        /// Present while no task of it is handed out.
        public var paused: FlowPause?
        /// Runs that go on.
        public var active: Int
        /// Runs that wait for others of the flow to end.
        public var waiting: Int
        public init(
            environment: String, bundle: BundleReference, flow: String, description: String, concurrency: Int?,
            paused: FlowPause?, active: Int, waiting: Int
        ) {
            self.environment = environment
            self.bundle = bundle
            self.flow = flow
            self.description = description
            self.concurrency = concurrency
            self.paused = paused
            self.active = active
            self.waiting = waiting
        }
    }

    public struct FlowPause: Codable, Sendable {
        public var reason: String
        public var at: Date
        public var by: String
        public init(reason: String, at: Date, by: String) {
            self.reason = reason
            self.at = at
            self.by = by
        }
    }

    /// `POST /environments/{name}/flows/{flow}/pause`
    public struct PauseFlow: Codable, Sendable {
        public var reason: String
        /// Needed when more than one bundle of the environment has the flow.
        public var bundle: String?
        public init(reason: String, bundle: String? = nil) {
            self.reason = reason
            self.bundle = bundle
        }
    }

    /// `POST /environments/{name}/flows/{flow}/resume`
    public struct ResumeFlow: Codable, Sendable {
        public var bundle: String?
        public init(bundle: String? = nil) { self.bundle = bundle }
    }

    /// How many attempts, or units of what they use, may go on at once.
    public struct LimitView: Codable, Sendable {
        /// `pool:<name>`, `resource:<name>` or `backfill:<id>`.
        public var key: String
        public var slots: Int
        /// Held by attempts that go on; above `slots` for a while after a limit was lowered.
        public var used: Int
        /// Ready tasks that wait for it.
        public var waiting: Int
        public var setAt: Date
        public var setBy: String
        public init(key: String, slots: Int, used: Int, waiting: Int, setAt: Date, setBy: String) {
            self.key = key
            self.slots = slots
            self.used = used
            self.waiting = waiting
            self.setAt = setAt
            self.setBy = setBy
        }
    }

    /// `PUT /limits/{key}`
    public struct SetLimit: Codable, Sendable {
        public var slots: Int
        public init(slots: Int) { self.slots = slots }
    }
}
