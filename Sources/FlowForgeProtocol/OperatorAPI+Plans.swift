public import Foundation

extension OperatorAPI {
    /// `POST /environments/{environment}/plans`: what would change. Planning the same again gives the same
    /// plan, with what was said of it, until it expires.
    public struct MakePlan: Codable, Sendable {
        /// `name@version`, a digest, or only a name for what is released now; absent where one bundle is released.
        public var bundle: String?
        /// `physical` or `virtual`; absent: as the environment says, where it is promoted from another.
        public var mode: String?
        /// The environment that the bundle comes from.
        public var source: String?

        public init(bundle: String? = nil, mode: String? = nil, source: String? = nil) {
            self.bundle = bundle
            self.mode = mode
            self.source = source
        }
    }

    /// A plan and how it stands. `plan` is the document whose canonical JSON `digest` names.
    public struct PlanView: Codable, Sendable {
        public var digest: String
        public var plan: JSONValue
        public var isEmpty: Bool
        public var hasChanges: Bool
        public var hasDrift: Bool
        /// `open`, `pending` or `denied`.
        public var standing: String
        public var verdicts: [JSONValue]
        public var approvals: [ApprovalView]
        public var createdAt: Date
        public var createdBy: String
        public var expiresAt: Date
        /// Whether the environment is still what it was planned for.
        public var isCurrent: Bool

        public init(
            digest: String, plan: JSONValue, isEmpty: Bool, hasChanges: Bool, hasDrift: Bool, standing: String,
            verdicts: [JSONValue], approvals: [ApprovalView], createdAt: Date, createdBy: String, expiresAt: Date,
            isCurrent: Bool
        ) {
            self.digest = digest
            self.plan = plan
            self.isEmpty = isEmpty
            self.hasChanges = hasChanges
            self.hasDrift = hasDrift
            self.standing = standing
            self.verdicts = verdicts
            self.approvals = approvals
            self.createdAt = createdAt
            self.createdBy = createdBy
            self.expiresAt = expiresAt
            self.isCurrent = isCurrent
        }
    }

    public struct ApprovalView: Codable, Sendable, Hashable {
        public var principal: String
        public var approves: Bool
        public var reason: String
        public var at: Date

        public init(principal: String, approves: Bool, reason: String, at: Date) {
            self.principal = principal
            self.approves = approves
            self.reason = reason
            self.at = at
        }
    }

    /// `POST /plans/{digest}/approvals`: the caller's word on exactly this plan.
    public struct Approve: Codable, Sendable {
        public var approves: Bool
        public var reason: String?

        public init(approves: Bool = true, reason: String? = nil) {
            self.approves = approves
            self.reason = reason
        }
    }

    /// `POST /plans/{digest}/gates/{gate}/override` (soft gates) and `…/answer` (external ones).
    public struct GateWord: Codable, Sendable {
        /// Of answers; an override always passes.
        public var passed: Bool?
        public var message: String

        public init(passed: Bool? = nil, message: String) {
            self.passed = passed
            self.message = message
        }
    }

    /// `POST /promotions`.
    public struct RequestPromotion: Codable, Sendable {
        /// `apply`, `promote`, `demote` or `rollback`.
        public var kind: String
        /// Where to; of `apply` the plan says it.
        public var environment: String?
        /// Promote: where from.
        public var source: String?
        /// Its name; absent where there is one only.
        public var bundle: String?
        /// Apply: a plan's digest.
        public var plan: String?
        /// Rollback: the release to return to; absent: the one before.
        public var release: String?
        public var mode: String?
        /// Why; needed by `demote` and `rollback`.
        public var reason: String?
        /// How long runs that go on are waited for before it is given up.
        public var drainSeconds: Double?
        /// Physical: whether the flows are run as a step of the change; absent: yes.
        public var computes: Bool?

        public init(
            kind: String, environment: String? = nil, source: String? = nil, bundle: String? = nil, plan: String? = nil,
            release: String? = nil, mode: String? = nil, reason: String? = nil, drainSeconds: Double? = nil,
            computes: Bool? = nil
        ) {
            self.kind = kind
            self.environment = environment
            self.source = source
            self.bundle = bundle
            self.plan = plan
            self.release = release
            self.mode = mode
            self.reason = reason
            self.drainSeconds = drainSeconds
            self.computes = computes
        }
    }

    public struct PromotionView: Codable, Sendable {
        public var id: ID<Promotion>
        public var kind: String
        public var environment: String
        public var source: String?
        public var bundle: BundleReference
        public var plan: String
        public var mode: String
        /// `waiting`, `queued`, `applying`, `undoing`, `succeeded`, `undone`, `refused`, `cancelled` or `expired`.
        public var state: String
        public var isFinal: Bool
        /// In order; `done` are those that are done.
        public var steps: [String]
        public var done: [String]
        public var message: String
        public var reason: String
        public var requestedBy: String
        public var requestedAt: Date
        public var finishedAt: Date?
        /// The release that it made.
        public var release: ID<Release>?
        public var runs: [ID<Run>]
        /// Absent in lists.
        public var verdicts: [JSONValue]?
        public var journal: [JournalEntry]?
        /// Of one that is final: tables whose pointer files no agent has moved yet. Absent in lists, and where there is none.
        public var unpublished: [AssetName]?

        public init(
            id: ID<Promotion>, kind: String, environment: String, source: String?, bundle: BundleReference, plan: String,
            mode: String, state: String, isFinal: Bool, steps: [String], done: [String], message: String, reason: String,
            requestedBy: String, requestedAt: Date, finishedAt: Date?, release: ID<Release>?, runs: [ID<Run>],
            verdicts: [JSONValue]? = nil, journal: [JournalEntry]? = nil
        ) {
            self.id = id
            self.kind = kind
            self.environment = environment
            self.source = source
            self.bundle = bundle
            self.plan = plan
            self.mode = mode
            self.state = state
            self.isFinal = isFinal
            self.steps = steps
            self.done = done
            self.message = message
            self.reason = reason
            self.requestedBy = requestedBy
            self.requestedAt = requestedAt
            self.finishedAt = finishedAt
            self.release = release
            self.runs = runs
            self.verdicts = verdicts
            self.journal = journal
        }
    }

    public struct JournalEntry: Codable, Sendable, Hashable {
        /// `state`, `began`, `done`, `failed` or `undone`.
        public var event: String
        public var step: String?
        public var message: String
        public var at: Date

        public init(event: String, step: String?, message: String, at: Date) {
            self.event = event
            self.step = step
            self.message = message
            self.at = at
        }
    }
}

extension OperatorAPI {
    /// What is not as it was applied.
    public struct DriftView: Codable, Sendable {
        public var environment: String
        /// Absent before the first look.
        public var lookedAt: Date?
        public var findings: [DriftFindingView]

        public init(environment: String, lookedAt: Date?, findings: [DriftFindingView]) {
            self.environment = environment
            self.lookedAt = lookedAt
            self.findings = findings
        }
    }

    public struct DriftFindingView: Codable, Sendable {
        /// Names it for `adopt`, `revert` and `suppress`: `snapshot:gold.revenue`.
        public var key: String
        public var bundle: String
        /// `configuration`, `schedule`, `schema`, `snapshot`, `files`, `agent` or `asset`.
        public var kind: String
        public var name: String
        public var message: String
        public var expected: JSONValue?
        public var found: JSONValue?
        public var since: Date
        /// Present while somebody's word leaves it alone.
        public var suppression: SuppressionView?

        public init(
            key: String, bundle: String, kind: String, name: String, message: String, expected: JSONValue?, found: JSONValue?,
            since: Date, suppression: SuppressionView?
        ) {
            self.key = key
            self.bundle = bundle
            self.kind = kind
            self.name = name
            self.message = message
            self.expected = expected
            self.found = found
            self.since = since
            self.suppression = suppression
        }
    }

    public struct SuppressionView: Codable, Sendable {
        public var owner: String
        public var reason: String
        public var until: Date

        public init(owner: String, reason: String, until: Date) {
            self.owner = owner
            self.reason = reason
            self.until = until
        }
    }

    /// `PUT /environments/{environment}/drift/{key}/suppression`
    public struct SuppressDrift: Codable, Sendable {
        public var until: Date
        public var reason: String

        public init(until: Date, reason: String) {
            self.until = until
            self.reason = reason
        }
    }
}
