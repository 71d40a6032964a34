public import FlowForgeProtocol
public import Foundation

/// Everything that gates decide by, gathered by others at one time.
public struct GateFacts: Hashable, Sendable {
    public var now: Date
    /// Names of principals who asked for the change or made the plan.
    public var requesters: Set<String> = []
    public var approvals: [Approval] = []
    /// Of the bundle's digest, by upstream environment.
    public var upstreams: [String: Upstream] = [:]
    /// By asset; one that is absent was not compared yet.
    public var comparisons: [AssetName: Comparison] = [:]
    /// Tables that the plan recomputes and that both environments have.
    public var comparable: [AssetName] = []
    public var placements: [Placement] = []
    public var residency: String?
    public var ceiling: DataClass?
    public var windows: ChangeWindows?
    public var cost: PlanCost = PlanCost()
    public var impact: Impact?
    public var changes: [PlanChange] = []
    public var downstream: [ColumnHit] = []
    /// By gate.
    public var answers: [String: Answer] = [:]
    /// How asking other systems stands, by gate.
    public var calls: [String: Call] = [:]

    public init(now: Date) { self.now = now }

    /// One decision about this plan; of one principal the latest counts.
    public struct Approval: Hashable, Sendable {
        public var principal: String
        public var approves: Bool
        public var at: Date
        public var reason: String

        public init(principal: String, approves: Bool, at: Date, reason: String) {
            self.principal = principal
            self.approves = approves
            self.at = at
            self.reason = reason
        }
    }

    /// How the bundle's digest fared in an upstream environment.
    public struct Upstream: Hashable, Sendable {
        /// Since when it has been the current release without a break; absent: it is not.
        public var since: Date?
        /// Runs of this digest that succeeded, by flow.
        public var succeeded: [String: Int]
        /// `asset.check` of the newest run of each flow.
        public var failedChecks: [String]
        public var warnedChecks: [String]
        public var lastRunAt: Date?
        /// Flows whose newest run did not succeed.
        public var failedFlows: [String]

        public init(
            since: Date? = nil, succeeded: [String: Int] = [:], failedChecks: [String] = [], warnedChecks: [String] = [],
            lastRunAt: Date? = nil, failedFlows: [String] = []
        ) {
            self.since = since
            self.succeeded = succeeded
            self.failedChecks = failedChecks
            self.warnedChecks = warnedChecks
            self.lastRunAt = lastRunAt
            self.failedFlows = failedFlows
        }
    }

    /// What an agent found when it compared two snapshots of a table; percentages are 0 … 100.
    public struct Comparison: Hashable, Sendable, Codable {
        public var at: Date
        public var rows: Int64
        public var baseRows: Int64
        /// Absent where there is no key.
        public var keyMatch: Double?
        public var columnMatch: [String: Double]
        /// `+name`, `-name`, `name: TYPE → TYPE`.
        public var schemaChanges: [String]
        /// Why it could not be made.
        public var failure: String?

        public init(
            at: Date, rows: Int64, baseRows: Int64, keyMatch: Double? = nil, columnMatch: [String: Double] = [:],
            schemaChanges: [String] = [], failure: String? = nil
        ) {
            self.at = at
            self.rows = rows
            self.baseRows = baseRows
            self.keyMatch = keyMatch
            self.columnMatch = columnMatch
            self.schemaChanges = schemaChanges
            self.failure = failure
        }
    }

    /// Where a table would lie, and what of it is bound to a zone or a class, along its lineage.
    public struct Placement: Hashable, Sendable {
        public var asset: AssetName
        /// Zones that it, or what it is made of, must not leave.
        public var zones: Set<String>
        /// The column with the highest class, and that class.
        public var highest: Labelled?
        /// The tables through which the zones came, from the origin on.
        public var through: [AssetName]

        public struct Labelled: Hashable, Sendable {
            public var column: String
            public var level: DataClass
            public init(column: String, level: DataClass) {
                self.column = column
                self.level = level
            }
        }

        public init(asset: AssetName, zones: Set<String> = [], highest: Labelled? = nil, through: [AssetName] = []) {
            self.asset = asset
            self.zones = zones
            self.highest = highest
            self.through = through
        }
    }

    /// How asking another system stands.
    public struct Call: Hashable, Sendable {
        /// It took the question.
        public var wasTold: Bool
        /// It is not asked any more.
        public var isGivenUp: Bool
        /// Of attempts that failed, the last.
        public var error: String

        public init(wasTold: Bool, isGivenUp: Bool, error: String) {
            self.wasTold = wasTold
            self.isGivenUp = isGivenUp
            self.error = error
        }
    }

    /// What another system said.
    public struct Answer: Hashable, Sendable {
        public var passed: Bool
        public var at: Date
        public var by: String
        public var message: String

        public init(passed: Bool, at: Date, by: String, message: String) {
            self.passed = passed
            self.at = at
            self.by = by
            self.message = message
        }
    }
}

/// How closely held data is, from what everybody may see to what few may.
public enum DataClass: String, WireEnum, Comparable {
    case `public`, `internal`, confidential, restricted
    case unknown

    private var rank: Int { Self.allCases.firstIndex(of: self)! }
    /// What is not known here is held for the closest.
    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
}
