public import FlowForgeProtocol
public import Foundation

/// What would be done to an environment, as one canonical document: its JSON, as `WireCoding` writes it,
/// is what ``digest`` names and what approvals are about.
public struct Plan: Hashable, Sendable, Codable {
    /// 1.
    public var format: Int
    public var environment: String
    /// What the environment's release of that name is to be; absent where the bundle is withdrawn.
    public var bundle: BundleReference
    /// What it is now.
    public var from: BundleReference?
    public var release: ID<Release>?
    /// Of the environment, when the plan was made.
    public var baseSerial: Int
    public var mode: ReleaseMode
    /// The environment that the bundle comes from, where it is promoted.
    public var source: String?
    public var expiresAt: Date
    public var content: PlanContent

    public init(
        environment: String, bundle: BundleReference, from: BundleReference?, release: ID<Release>?, baseSerial: Int,
        mode: ReleaseMode, source: String?, expiresAt: Date, content: PlanContent
    ) {
        format = 1
        self.environment = environment
        self.bundle = bundle
        self.from = from
        self.release = release
        self.baseSerial = baseSerial
        self.mode = mode
        self.source = source
        self.expiresAt = expiresAt
        self.content = content
    }

    /// Nothing would change, and nothing has drifted.
    public var isEmpty: Bool { from?.digest == bundle.digest && content.isEmpty }
    public var hasChanges: Bool { from?.digest != bundle.digest || content.hasChanges }
}

/// How a release gets its tables.
public enum ReleaseMode: String, WireEnum {
    /// The environment's agents make them anew.
    case physical
    /// Pointers are moved to the snapshots of the environment that it comes from, which shares the storage.
    case virtual
    case unknown
}

/// What a change means for those who read what a bundle makes, or start what it runs.
public enum Impact: String, Sendable, Codable, Comparable, Hashable, CaseIterable {
    /// Descriptions, tags and classifications only.
    case metadata
    /// Whoever relies on the former version still can.
    case nonBreaking = "non_breaking"
    case breaking

    private var weight: Int {
        switch self {
        case .metadata: 0
        case .nonBreaking: 1
        case .breaking: 2
        }
    }

    /// For sentences.
    public var words: String {
        switch self {
        case .metadata: "metadata only"
        case .nonBreaking: "non-breaking"
        case .breaking: "breaking"
        }
    }

    public static func < (left: Impact, right: Impact) -> Bool { left.weight < right.weight }
}

/// The part of a plan that is compared to find out whether the world has moved.
public struct PlanContent: Hashable, Sendable, Codable {
    /// The gravest of the changes.
    public var impact: Impact?
    public var changes: [PlanChange]
    /// Columns and tables elsewhere that breaking changes reach, sorted.
    public var downstream: [ColumnHit]
    public var configuration: [ConfigurationChange]
    public var recompute: [Recompute]
    public var drift: [DriftFinding]
    public var cost: PlanCost
    public var gates: [GateSpec]

    public init(
        impact: Impact? = nil, changes: [PlanChange] = [], downstream: [ColumnHit] = [],
        configuration: [ConfigurationChange] = [], recompute: [Recompute] = [], drift: [DriftFinding] = [],
        cost: PlanCost = PlanCost(), gates: [GateSpec] = []
    ) {
        self.impact = impact
        self.changes = changes
        self.downstream = downstream
        self.configuration = configuration
        self.recompute = recompute
        self.drift = drift
        self.cost = cost
        self.gates = gates
    }

    public var hasChanges: Bool { !changes.isEmpty || !configuration.isEmpty }
    public var isEmpty: Bool { !hasChanges && drift.isEmpty }
}

/// One thing that is added, removed or changed.
public struct PlanChange: Hashable, Sendable, Codable {
    /// `asset`, `column`, `check`, `flow`, `task`, `trigger`, `parameter`, `variable`, `external`, `file`, `bundle`.
    public var subject: String
    /// `silver.orders.id` of a column, `daily.ingest` of a task of a flow.
    public var name: String
    /// `added`, `removed` or `changed`.
    public var action: String
    public var impact: Impact
    public var fields: [Field]

    public struct Field: Hashable, Sendable, Codable {
        public var name: String
        /// Absent where there was nothing.
        public var before: JSONValue?
        public var after: JSONValue?

        public init(name: String, before: JSONValue?, after: JSONValue?) {
            self.name = name
            self.before = before
            self.after = after
        }
    }

    public init(subject: String, name: String, action: String, impact: Impact, fields: [Field] = []) {
        self.subject = subject
        self.name = name
        self.action = action
        self.impact = impact
        self.fields = fields
    }
}

/// A column, or a whole table, that a change reaches along the lineage.
public struct ColumnHit: Hashable, Sendable, Codable, CustomStringConvertible {
    public var environment: String
    public var asset: AssetName
    /// Absent where every row of the table is reached.
    public var column: String?
    /// The name of the change.
    public var because: String

    public init(environment: String, asset: AssetName, column: String?, because: String) {
        self.environment = environment
        self.asset = asset
        self.column = column
        self.because = because
    }

    /// `gold.revenue.total`
    public var description: String { column.map { "\(asset).\($0)" } ?? "\(asset)" }
}

/// A value of the environment that differs from what the current release was applied with.
public struct ConfigurationChange: Hashable, Sendable, Codable {
    public enum Kind: String, WireEnum {
        case variable, credential, pool
        case unknown
    }

    public var kind: Kind
    public var name: String
    /// Of a credential the reference, never a value.
    public var before: JSONValue?
    public var after: JSONValue?

    public init(kind: Kind, name: String, before: JSONValue?, after: JSONValue?) {
        self.kind = kind
        self.name = name
        self.before = before
        self.after = after
    }
}

/// A table that has to be made again.
public struct Recompute: Hashable, Sendable, Codable {
    public enum Reason: String, WireEnum {
        case added, changed
        /// Something that it is made of is.
        case upstream
        case unknown
    }

    public var asset: AssetName
    public var flow: String
    public var reason: Reason
    /// The moments that its runs so far were meant for; absent where one run makes all of it.
    public var from: Date?
    public var through: Date?
    /// How many runs that are.
    public var runs: Int

    public init(asset: AssetName, flow: String, reason: Reason, from: Date? = nil, through: Date? = nil, runs: Int = 1) {
        self.asset = asset
        self.flow = flow
        self.reason = reason
        self.from = from
        self.through = through
        self.runs = runs
    }
}

/// What the plan takes at once, by what the same tasks took before.
public struct PlanCost: Hashable, Sendable, Codable {
    /// Of agents' time.
    public var seconds: Double
    /// By the environment's rate.
    public var amount: Double?
    public var currency: String?
    /// Tables of which nothing is known yet.
    public var unknown: [AssetName]

    public init(seconds: Double = 0, amount: Double? = nil, currency: String? = nil, unknown: [AssetName] = []) {
        self.seconds = seconds
        self.amount = amount
        self.currency = currency
        self.unknown = unknown
    }
}

/// Something that is not as it was applied.
public struct DriftFinding: Hashable, Sendable, Codable, Comparable {
    public enum Kind: String, WireEnum {
        case configuration, schedule, schema, snapshot, files, agent, asset
        case unknown
    }

    public var kind: Kind
    /// What has drifted: an asset, a trigger, a variable, an agent.
    public var name: String
    /// One sentence.
    public var message: String
    public var expected: JSONValue?
    public var found: JSONValue?

    public init(kind: Kind, name: String, message: String, expected: JSONValue? = nil, found: JSONValue? = nil) {
        self.kind = kind
        self.name = name
        self.message = message
        self.expected = expected
        self.found = found
    }

    /// Names the finding for suppressions.
    public var key: String { "\(kind.rawValue):\(name)" }
    public static func < (left: Self, right: Self) -> Bool { left.key < right.key }
}
