extension OperatorAPI {
    /// `PUT /environments/{name}`: makes the environment as declared. `spec` is the JSON form of an
    /// environment file (docs/environments.md). Applying what is there changes nothing.
    public struct ApplyEnvironment: Codable, Sendable {
        public var spec: JSONValue
        /// Refuse if the environment's serial is another one; absent: whatever it is.
        public var baseSerial: Int?
        /// Only tell what would change.
        public var dryRun: Bool?

        public init(spec: JSONValue, baseSerial: Int? = nil, dryRun: Bool? = nil) {
            self.spec = spec
            self.baseSerial = baseSerial
            self.dryRun = dryRun
        }
    }

    /// What applying did, or would do.
    public struct AppliedEnvironment: Codable, Sendable {
        /// Absent where a dry run would make it.
        public var environment: EnvironmentView?
        public var created: Bool
        /// Fields that differ, by their path; empty when nothing changes.
        public var changes: [FieldChange]

        public init(environment: EnvironmentView?, created: Bool, changes: [FieldChange]) {
            self.environment = environment
            self.created = created
            self.changes = changes
        }
    }

    public struct FieldChange: Codable, Sendable, Hashable {
        /// `config.environment.raw_dir`, `protection.gates.two-eyes.approval.count`.
        public var field: String
        public var before: JSONValue?
        public var after: JSONValue?

        public init(field: String, before: JSONValue?, after: JSONValue?) {
            self.field = field
            self.before = before
            self.after = after
        }
    }

    /// `PUT /environments/{name}/overrides/{variable}`: a value over those of the files, until it is removed.
    public struct OverrideVariable: Codable, Sendable {
        public var value: JSONValue
        public var reason: String

        public init(value: JSONValue, reason: String) {
            self.value = value
            self.reason = reason
        }
    }

    /// A variable of an environment, as runs see it once it is applied.
    public struct VariableView: Codable, Sendable, Hashable {
        public var value: JSONValue
        /// The file that it comes from, `environment`, or `override`.
        public var layer: String

        public init(value: JSONValue, layer: String) {
            self.value = value
            self.layer = layer
        }
    }
}
