public import Foundation

/// What the control plane asks other systems about plans, and what they answer: docs/gitops.md.
public enum GateAPI {
    /// The body of the question, posted to the gate's address and signed as Standard Webhooks says. It has names,
    /// counts and digests; never a value of a variable, a reference to a credential, or a row.
    public struct Question: Codable, Sendable {
        /// `flowforge.gate.asked`.
        public var type: String
        public var timestamp: Date
        public var data: Details

        public init(timestamp: Date, data: Details) {
            type = Self.kind
            self.timestamp = timestamp
            self.data = data
        }

        public static let kind = "flowforge.gate.asked"
    }

    public struct Details: Codable, Sendable {
        /// The plan's digest; answers must name it.
        public var plan: String
        public var gate: String
        public var environment: String
        public var tier: String
        public var bundle: BundleReference
        /// What is released now.
        public var from: BundleReference?
        /// The environment that it comes from.
        public var source: String?
        public var mode: String
        public var promotion: ID<Promotion>
        /// `apply` or `promote`.
        public var kind: String
        public var requestedBy: String
        /// Everybody who asked for the plan.
        public var requesters: [String]
        public var reason: String
        public var summary: Summary
        /// Where the answer may be posted to later.
        public var callback: String
        /// When the plan is over.
        public var expiresAt: Date

        public init(
            plan: String, gate: String, environment: String, tier: String, bundle: BundleReference, from: BundleReference?,
            source: String?, mode: String, promotion: ID<Promotion>, kind: String, requestedBy: String, requesters: [String],
            reason: String, summary: Summary, callback: String, expiresAt: Date
        ) {
            self.plan = plan
            self.gate = gate
            self.environment = environment
            self.tier = tier
            self.bundle = bundle
            self.from = from
            self.source = source
            self.mode = mode
            self.promotion = promotion
            self.kind = kind
            self.requestedBy = requestedBy
            self.requesters = requesters
            self.reason = reason
            self.summary = summary
            self.callback = callback
            self.expiresAt = expiresAt
        }
    }

    /// How much a plan changes.
    public struct Summary: Codable, Sendable, Hashable {
        /// The gravest: `metadata`, `non_breaking`, `breaking`.
        public var impact: String?
        /// By impact.
        public var changes: [String: Int]
        public var configuration: Int
        /// Columns and tables elsewhere that breaking changes reach.
        public var downstream: Int
        /// Tables that are made again.
        public var recompute: Int
        public var drift: Int

        public init(
            impact: String?, changes: [String: Int], configuration: Int, downstream: Int, recompute: Int, drift: Int
        ) {
            self.impact = impact
            self.changes = changes
            self.configuration = configuration
            self.downstream = downstream
            self.recompute = recompute
            self.drift = drift
        }
    }

    /// The answer: in the body of the 200 to the question, or posted to ``Details/callback``, signed. Without
    /// `passed` the 200 only says that the question was taken.
    public struct Answer: Codable, Sendable {
        /// The plan's digest; needed where it is posted, so that one plan's answer is no other's.
        public var plan: String?
        public var passed: Bool?
        public var message: String?

        public init(plan: String? = nil, passed: Bool? = nil, message: String? = nil) {
            self.plan = plan
            self.passed = passed
            self.message = message
        }
    }

    /// What became of an answer that was posted.
    public struct Receipt: Codable, Sendable {
        /// Taken in before; this one changed nothing.
        public var duplicate: Bool
        public init(duplicate: Bool) { self.duplicate = duplicate }
    }

    /// `GET /environments/{environment}/gates/{gate}/secret`
    public struct SecretView: Codable, Sendable {
        public var environment: String
        public var gate: String
        public var url: String
        /// `whsec_` and base64.
        public var secret: Secret
        public init(environment: String, gate: String, url: String, secret: Secret) {
            self.environment = environment
            self.gate = gate
            self.url = url
            self.secret = secret
        }
    }
}
