public import FlowForgeProtocol
public import Foundation

/// What an environment is declared to be. Files say it (docs/environments.md), `flowforge env apply`
/// sends it, `flowforge env export` gives it back.
public struct EnvironmentSpec: Hashable, Sendable, Codable {
    public var name: String
    public var description: String
    /// Of its organisation; absent: `default`. Cannot be changed.
    public var project: String?
    /// `dev`, `qa`, `uat`, `prod`, or a word of one's own.
    public var tier: String
    /// Where bundles come from, and how long they must have been there.
    public var upstream: [Upstream]
    public var regions: [String]
    /// The zone that its data lies in, and that nothing bound to another may enter.
    public var residency: String?
    /// The highest that its data may be classified.
    public var classification: DataClass?
    /// The agent pool that runs its tasks, but for those that ask for another.
    public var pool: String
    /// The pools of tasks that ask for one, by the name that they have for it; absent where there is none. All of an
    /// environment's pools have its lake.
    public var pools: [String: String]?
    /// Layers of values, the later over the earlier. The last is the environment's own.
    public var config: [ConfigLayer]
    /// References by name: `aws-sm://…`; never values.
    public var credentials: [String: String]
    /// Named roots of the agents' lake, by layer (`bronze`, `silver`, `gold`).
    public var storage: [String: String]
    public var protection: Protection
    public var windows: ChangeWindows?
    /// What an hour of an agent's work costs.
    public var rate: Rate?
    /// How promotions to it get their tables, unless they say otherwise.
    public var mode: ReleaseMode
    /// When a throw-away environment ends: nothing can be started or changed in it from then on.
    public var expiresAt: Date?

    public init(
        name: String, description: String = "", tier: String = "dev", upstream: [Upstream] = [], regions: [String] = [],
        residency: String? = nil, classification: DataClass? = nil, pool: String, config: [ConfigLayer] = [],
        credentials: [String: String] = [:], storage: [String: String] = [:], protection: Protection = Protection(),
        windows: ChangeWindows? = nil, rate: Rate? = nil, mode: ReleaseMode = .physical, expiresAt: Date? = nil,
        project: String? = nil, pools: [String: String] = [:]
    ) {
        self.project = project
        self.name = name
        self.description = description
        self.tier = tier
        self.upstream = upstream
        self.regions = regions
        self.residency = residency
        self.classification = classification
        self.pool = pool
        self.pools = pools.isEmpty ? nil : pools
        self.config = config
        self.credentials = credentials
        self.storage = storage
        self.protection = protection
        self.windows = windows
        self.rate = rate
        self.mode = mode
        self.expiresAt = expiresAt
    }

    public struct Upstream: Hashable, Sendable, Codable {
        public var environment: String
        public var soakSeconds: Double

        public init(environment: String, soakSeconds: Double = 0) {
            self.environment = environment
            self.soakSeconds = soakSeconds
        }
    }

    /// Values of one origin.
    public struct ConfigLayer: Hashable, Sendable, Codable {
        /// The file that they stand in, or `environment`.
        public var name: String
        public var values: [String: ConfigValue]

        public init(name: String, values: [String: ConfigValue]) {
            self.name = name
            self.values = values
        }
    }

    public struct Protection: Hashable, Sendable, Codable {
        /// Nothing reaches it but by a plan.
        public var requiresPlan: Bool
        public var gates: [GateSpec]

        public init(requiresPlan: Bool = false, gates: [GateSpec] = []) {
            self.requiresPlan = requiresPlan
            self.gates = gates
        }
    }

    public struct Rate: Hashable, Sendable, Codable {
        public var perHour: Double
        /// ISO 4217.
        public var currency: String

        public init(perHour: Double, currency: String) {
            self.perHour = perHour
            self.currency = currency
        }
    }

    /// What its own pool is called where all are named; none of `pools` may be called so.
    public static let ownPool = "pool"

    /// Every pool that runs tasks of it, each once, by name.
    public var allPools: [String] { Set([pool] + (pools ?? [:]).values).sorted() }

    /// Every gate that a plan must pass: those declared, and a soak for each upstream that asks for one.
    public var gates: [GateSpec] {
        protection.gates
            + upstream.filter { $0.soakSeconds > 0 }.map { upstream in
                GateSpec(
                    name: "soak-\(upstream.environment)",
                    rule: .soak(GateSpec.Soak(environment: upstream.environment, seconds: upstream.soakSeconds)))
            }
    }
}

/// A value of a variable, with the type that it is declared with, if it is.
public struct ConfigValue: Hashable, Sendable, Codable {
    public var value: JSONValue
    public var type: ParameterType?

    public init(_ value: JSONValue, type: ParameterType? = nil) {
        self.value = value
        self.type = type
    }
}

/// What the layers of an environment come to.
public struct EffectiveConfig: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        public var value: JSONValue
        /// The layer that it comes from.
        public var layer: String

        public init(value: JSONValue, layer: String) {
            self.value = value
            self.layer = layer
        }
    }

    public var entries: [String: Entry] = [:]

    /// `overrides` come over every layer. The type that any layer declares holds for all of them; values
    /// have been checked against it before (``EnvironmentSpec/faults()``).
    public init(_ layers: [EnvironmentSpec.ConfigLayer], overrides: [String: JSONValue] = [:]) {
        var types: [String: ParameterType] = [:]
        for layer in layers { types.merge(layer.values.compactMapValues(\.type)) { $1 } }
        for layer in layers + [.init(name: Self.override, values: overrides.mapValues { ConfigValue($0) })] {
            for (name, value) in layer.values {
                entries[name] = Entry(value: types[name]?.converting(value.value) ?? value.value, layer: layer.name)
            }
        }
    }

    /// The name of the layer of overrides.
    public static let override = "override"

    public var values: [String: JSONValue] { entries.mapValues(\.value) }
}

/// What a release was applied with besides its bundle: what its runs see, whatever the environment is
/// declared to be meanwhile.
public struct ReleaseConfig: Hashable, Sendable, Codable {
    public var pool: String
    public var variables: [String: JSONValue]
    public var credentials: [String: String]
    /// See ``EnvironmentSpec/pools``.
    public var pools: [String: String]?

    public init(
        pool: String, variables: [String: JSONValue], credentials: [String: String] = [:], pools: [String: String]? = nil
    ) {
        self.pool = pool
        self.variables = variables
        self.credentials = credentials
        self.pools = pools
    }

    /// The pool of tasks that ask for `name`, or for none; `nil` where the environment has none of that name.
    public func pool(named name: String?) -> String? {
        guard let name else { return pool }
        return pools?[name]
    }

    /// Sorted by kind and name.
    public func changes(to other: ReleaseConfig) -> [ConfigurationChange] {
        func changes(
            _ kind: ConfigurationChange.Kind, _ before: [String: JSONValue], _ after: [String: JSONValue]
        ) -> [ConfigurationChange] {
            Set(before.keys).union(after.keys).sorted().compactMap { name in
                before[name] == after[name]
                    ? nil : ConfigurationChange(kind: kind, name: name, before: before[name], after: after[name])
            }
        }
        func all(_ config: ReleaseConfig) -> [String: JSONValue] {
            (config.pools ?? [:]).mapValues { .string($0) }.merging([EnvironmentSpec.ownPool: .string(config.pool)]) { $1 }
        }
        return changes(.pool, all(self), all(other))
            + changes(.variable, variables, other.variables)
            + changes(.credential, credentials.mapValues { .string($0) }, other.credentials.mapValues { .string($0) })
    }
}
