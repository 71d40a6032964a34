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
        /// Grows with every change of the environment and of what is released to it.
        public var serial: Int
        public var tier: String
        /// Names of upstream environments.
        public var upstream: [String]
        public var expiresAt: Date?
        /// The whole declaration and where each variable comes from; absent in lists.
        public var spec: JSONValue?
        public var effective: [String: VariableView]?
        public var organisation: String?
        public var project: String?
        public init(
            name: String, pool: String, variables: [String: JSONValue], createdAt: Date, releases: [ReleaseView], serial: Int,
            tier: String, upstream: [String] = [], expiresAt: Date? = nil, spec: JSONValue? = nil,
            effective: [String: VariableView]? = nil, organisation: String? = nil, project: String? = nil
        ) {
            self.name = name
            self.pool = pool
            self.variables = variables
            self.createdAt = createdAt
            self.releases = releases
            self.serial = serial
            self.tier = tier
            self.upstream = upstream
            self.expiresAt = expiresAt
            self.spec = spec
            self.effective = effective
            self.organisation = organisation
            self.project = project
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
        /// Digests of referrers that sign it, stored as blobs too; recorded together with the bundle or not at all.
        public var attestations: [String]?
        public init(digest: String, attestations: [String]? = nil) {
            self.digest = digest
            self.attestations = attestations
        }
    }

    public struct BundleView: Codable, Sendable {
        public var bundle: BundleReference
        public var description: String
        public var bytes: Int64
        public var pushedAt: Date
        public var pushedBy: String
        /// Absent in lists.
        public var flows: [BundleFlowView]?
        /// What the bundle's lock says of the tables that it writes; absent in lists, and where it has no lock.
        public var assets: [BundleAssetView]?
        /// Who signed what of it, oldest first. Absent in lists.
        public var signatures: [SignatureView]?
        /// Absent unless it was withdrawn.
        public var yanked: YankView?
        public init(
            bundle: BundleReference, description: String, bytes: Int64, pushedAt: Date, pushedBy: String,
            flows: [BundleFlowView]?, assets: [BundleAssetView]? = nil, signatures: [SignatureView]? = nil,
            yanked: YankView? = nil
        ) {
            self.bundle = bundle
            self.description = description
            self.bytes = bytes
            self.pushedAt = pushedAt
            self.pushedBy = pushedBy
            self.flows = flows
            self.assets = assets
            self.signatures = signatures
            self.yanked = yanked
        }
    }

    /// A table as a bundle makes it.
    public struct BundleAssetView: Codable, Sendable {
        public var name: AssetName
        /// In the table's order; empty where they are not known.
        public var columns: [BundleColumnView]
        public init(name: AssetName, columns: [BundleColumnView]) {
            self.name = name
            self.columns = columns
        }
    }

    public struct BundleColumnView: Codable, Sendable {
        public var name: String
        public var type: String
        /// `false`: no published row has a null. Absent: not known.
        public var nullable: Bool?
        /// From the table's data contract.
        public var classification: String?
        public init(name: String, type: String, nullable: Bool?, classification: String?) {
            self.name = name
            self.type = type
            self.nullable = nullable
            self.classification = classification
        }
    }

    /// That a version was withdrawn: what is released of it runs on, and it is released nowhere anew.
    public struct YankView: Codable, Sendable, Hashable {
        public var at: Date
        public var by: String
        public var reason: String
        public init(at: Date, by: String, reason: String) {
            self.at = at
            self.by = by
            self.reason = reason
        }
    }

    /// `POST /bundles/{name}/{version}/yank`.
    public struct YankBundle: Codable, Sendable {
        public var reason: String
        public init(reason: String) { self.reason = reason }
    }

    /// `POST /garbage-collections`.
    public struct CollectGarbage: Codable, Sendable {
        /// Only says what would be removed.
        public var dryRun: Bool?
        public init(dryRun: Bool? = nil) { self.dryRun = dryRun }
    }

    /// What was removed from the registry, or would be.
    public struct GarbageView: Codable, Sendable, Hashable {
        public var dryRun: Bool
        /// Oldest first. Their names and versions stay taken.
        public var bundles: [BundleReference]
        public var blobs: Int
        public var bytes: Int64
        public init(dryRun: Bool, bundles: [BundleReference], blobs: Int, bytes: Int64) {
            self.dryRun = dryRun
            self.bundles = bundles
            self.blobs = blobs
            self.bytes = bytes
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
