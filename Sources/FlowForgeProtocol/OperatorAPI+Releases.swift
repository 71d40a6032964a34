public import Foundation

extension OperatorAPI {
    /// `POST /environments`. Creating the same environment again with equal settings changes nothing.
    public struct CreateEnvironment: Codable, Sendable {
        public var name: String
        /// The agent pool that runs its tasks.
        public var pool: String
        /// Values of bundle variables, by name.
        public var variables: [String: JSONValue]
        public init(name: String, pool: String, variables: [String: JSONValue] = [:]) {
            self.name = name
            self.pool = pool
            self.variables = variables
        }
    }

    public struct EnvironmentView: Codable, Sendable {
        public var name: String
        public var pool: String
        public var variables: [String: JSONValue]
        public var createdAt: Date
        /// The current release of each bundle deployed here, by bundle name.
        public var releases: [ReleaseView]
        public init(
            name: String, pool: String, variables: [String: JSONValue], createdAt: Date, releases: [ReleaseView]
        ) {
            self.name = name
            self.pool = pool
            self.variables = variables
            self.createdAt = createdAt
            self.releases = releases
        }
    }

    /// `POST /environments/{environment}/releases`: makes the bundle the environment's current
    /// release. Deploying what is current changes nothing and returns it (`created` false).
    public struct Deploy: Codable, Sendable {
        /// `name@version` or a digest.
        public var bundle: String
        public init(bundle: String) { self.bundle = bundle }
    }

    public struct ReleaseView: Codable, Sendable {
        public var id: ID<Release>
        public var environment: String
        public var bundle: BundleReference
        /// Counts the releases of this bundle in this environment, from 1.
        public var serial: Int
        public var createdAt: Date
        public var createdBy: String
        public var current: Bool
        public init(
            id: ID<Release>, environment: String, bundle: BundleReference, serial: Int, createdAt: Date,
            createdBy: String, current: Bool
        ) {
            self.id = id
            self.environment = environment
            self.bundle = bundle
            self.serial = serial
            self.createdAt = createdAt
            self.createdBy = createdBy
            self.current = current
        }
    }

    /// `POST /bundles`, after every blob of the OCI manifest was stored with `PUT /blobs/{digest}`.
    /// The same name and version with another digest is refused; with the same digest nothing changes.
    public struct PushBundle: Codable, Sendable {
        /// Digest of the OCI image manifest, itself stored as a blob.
        public var digest: String
        public init(digest: String) { self.digest = digest }
    }

    public struct BundleView: Codable, Sendable {
        public var bundle: BundleReference
        public var description: String
        public var bytes: Int64
        public var pushedAt: Date
        public var pushedBy: String
        /// Absent in lists.
        public var flows: [BundleFlowView]?
        public init(
            bundle: BundleReference, description: String, bytes: Int64, pushedAt: Date, pushedBy: String,
            flows: [BundleFlowView]?
        ) {
            self.bundle = bundle
            self.description = description
            self.bytes = bytes
            self.pushedAt = pushedAt
            self.pushedBy = pushedBy
            self.flows = flows
        }
    }

    public struct BundleFlowView: Codable, Sendable {
        public var name: String
        public var description: String
        public var tasks: [BundleTaskView]
        public init(name: String, description: String, tasks: [BundleTaskView]) {
            self.name = name
            self.description = description
            self.tasks = tasks
        }
    }

    public struct BundleTaskView: Codable, Sendable {
        public var name: String
        public var layer: Layer
        public var engine: String
        public var inputs: [AssetName]
        public var output: AssetName?
        public var load: String
        public var checks: Int
        public init(
            name: String, layer: Layer, engine: String, inputs: [AssetName], output: AssetName?, load: String,
            checks: Int
        ) {
            self.name = name
            self.layer = layer
            self.engine = engine
            self.inputs = inputs
            self.output = output
            self.load = load
            self.checks = checks
        }
    }
}
