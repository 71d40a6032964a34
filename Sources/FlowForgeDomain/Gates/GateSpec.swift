public import FlowForgeProtocol
internal import Foundation

/// A condition that a change must meet before it reaches an environment. Gates are values: the
/// environment declares them, ``judge(_:)`` decides about one by facts alone.
public struct GateSpec: Hashable, Sendable, Codable {
    /// A plain name, unique within the environment; `-` allowed.
    public var name: String
    public var enforcement: Enforcement
    /// How long evidence counts after it was made; absent: as long as the plan.
    public var validForSeconds: Double?
    public var rule: Rule

    public init(name: String, enforcement: Enforcement = .hard, validForSeconds: Double? = nil, rule: Rule) {
        self.name = name
        self.enforcement = enforcement
        self.validForSeconds = validForSeconds
        self.rule = rule
    }

    public enum Enforcement: String, WireEnum {
        /// Tells, and never stops anything.
        case advisory
        /// Stops, unless somebody with the right to do so overrides it and says why.
        case soft
        /// Stops.
        case hard
        case unknown
    }

    public enum Rule: Hashable, Sendable {
        case approval(Approval)
        case quality(Quality)
        case soak(Soak)
        case dataDiff(DataDiff)
        case residency
        case classification
        case window
        case cost(Cost)
        case policy(Policy)
        case external(External)
    }

    /// N of M people say yes to this very plan.
    public struct Approval: Hashable, Sendable, Codable {
        public var count: Int
        /// Names of principals; empty: everybody who may operate the environment.
        public var from: [String]
        /// Whoever asked for the change, or built the plan, does not count.
        public var separationOfDuties: Bool

        public init(count: Int = 1, from: [String] = [], separationOfDuties: Bool = true) {
            self.count = count
            self.from = from
            self.separationOfDuties = separationOfDuties
        }
    }

    /// The bundle's digest ran in the upstream with all of its checks green.
    public struct Quality: Hashable, Sendable, Codable {
        /// Of each flow of the bundle.
        public var runs: Int
        /// Warnings count as failures.
        public var strict: Bool

        public init(runs: Int = 1, strict: Bool = false) {
            self.runs = runs
            self.strict = strict
        }
    }

    /// The bundle's digest has been the upstream's current release for so long.
    public struct Soak: Hashable, Sendable, Codable {
        public var environment: String
        public var seconds: Double

        public init(environment: String, seconds: Double) {
            self.environment = environment
            self.seconds = seconds
        }
    }

    /// What the upstream's tables hold is close enough to what the environment's hold. Computed on the agent.
    public struct DataDiff: Hashable, Sendable, Codable {
        /// Empty: every table that the plan recomputes and that both environments have.
        public var assets: [AssetName]
        /// Of the row counts, in percent of the environment's.
        public var maxRowChange: Double?
        /// Of the rows of both sides, those whose key is on both, in percent.
        public var minKeyMatch: Double?
        /// Of the rows with a common key, those with an equal value, in percent, for each column.
        public var minColumnMatch: Double?
        public var allowsSchemaChange: Bool

        public init(
            assets: [AssetName] = [], maxRowChange: Double? = nil, minKeyMatch: Double? = nil,
            minColumnMatch: Double? = nil, allowsSchemaChange: Bool = false
        ) {
            self.assets = assets
            self.maxRowChange = maxRowChange
            self.minKeyMatch = minKeyMatch
            self.minColumnMatch = minColumnMatch
            self.allowsSchemaChange = allowsSchemaChange
        }
    }

    /// What the plan is estimated to cost at once.
    public struct Cost: Hashable, Sendable, Codable {
        /// In the currency of the environment's rate.
        public var maxAmount: Double?
        public var maxSeconds: Double?

        public init(maxAmount: Double? = nil, maxSeconds: Double? = nil) {
            self.maxAmount = maxAmount
            self.maxSeconds = maxSeconds
        }
    }

    /// Kinds of changes that are not let through.
    public struct Policy: Hashable, Sendable, Codable {
        public var deny: [Denial]

        public init(deny: [Denial]) { self.deny = deny }
    }

    /// All members that are present must hold for a change to be denied.
    public struct Denial: Hashable, Sendable, Codable {
        /// At least so grave.
        public var impact: Impact?
        /// `column`, `asset`, `task`, …: ``PlanChange/subject``.
        public var subject: String?
        /// `added`, `removed` or `changed`.
        public var action: String?
        /// Begins the change's name, e.g. `gold.`.
        public var name: String?
        /// Begins the name of a column or table downstream that the change reaches, e.g. `gold.`.
        public var reaches: String?
        /// Why, for people.
        public var message: String?

        public init(
            impact: Impact? = nil, subject: String? = nil, action: String? = nil, name: String? = nil,
            reaches: String? = nil, message: String? = nil
        ) {
            self.impact = impact
            self.subject = subject
            self.action = action
            self.name = name
            self.reaches = reaches
            self.message = message
        }
    }

    /// Somebody else's system is told of the plan, and answers.
    public struct External: Hashable, Sendable, Codable {
        public var url: String

        public init(url: String) { self.url = url }

        /// `https`, or `http` to this machine itself; no user, since that would be a secret, and no fragment, since
        /// that is not sent. Which of its networks it reaches is the word of who owns the environment.
        public var isAddressable: Bool {
            guard url.utf8.count <= 2048, url.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value < 0x7F }),
                let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty, parts.user == nil,
                parts.password == nil, parts.fragment == nil
            else { return false }
            switch parts.scheme {
            case "https": return true
            case "http": return ["127.0.0.1", "localhost", "[::1]", "::1"].contains(host)
            default: return false
            }
        }
    }
}

extension GateSpec.Rule {
    /// The word for it in environment files.
    public var kind: String {
        switch self {
        case .approval: "approval"
        case .quality: "quality"
        case .soak: "soak"
        case .dataDiff: "data_diff"
        case .residency: "residency"
        case .classification: "classification"
        case .window: "window"
        case .cost: "cost"
        case .policy: "policy"
        case .external: "external"
        }
    }

    public static let kinds = [
        "approval", "quality", "soak", "data_diff", "residency", "classification", "window", "cost", "policy", "external",
    ]
}

extension GateSpec.Rule: Codable {
    private struct Kind: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Nothing: Codable {}

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Kind.self)
        let known = container.allKeys.filter { Self.kinds.contains($0.stringValue) }
        guard known.count == 1, let key = known.first else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "a gate is exactly one of \(Self.kinds.joined(separator: ", "))"))
        }
        func value<Value: Decodable>(_ type: Value.Type) throws -> Value { try container.decode(type, forKey: key) }
        switch key.stringValue {
        case "approval": self = .approval(try value(GateSpec.Approval.self))
        case "quality": self = .quality(try value(GateSpec.Quality.self))
        case "soak": self = .soak(try value(GateSpec.Soak.self))
        case "data_diff": self = .dataDiff(try value(GateSpec.DataDiff.self))
        case "residency": self = .residency
        case "classification": self = .classification
        case "window": self = .window
        case "cost": self = .cost(try value(GateSpec.Cost.self))
        case "policy": self = .policy(try value(GateSpec.Policy.self))
        default: self = .external(try value(GateSpec.External.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Kind.self)
        let key = Kind(stringValue: kind)
        switch self {
        case .approval(let settings): try container.encode(settings, forKey: key)
        case .quality(let settings): try container.encode(settings, forKey: key)
        case .soak(let settings): try container.encode(settings, forKey: key)
        case .dataDiff(let settings): try container.encode(settings, forKey: key)
        case .residency, .classification, .window: try container.encode(Nothing(), forKey: key)
        case .cost(let settings): try container.encode(settings, forKey: key)
        case .policy(let settings): try container.encode(settings, forKey: key)
        case .external(let settings): try container.encode(settings, forKey: key)
        }
    }
}
