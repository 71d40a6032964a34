public import Foundation

extension AgentAPI {
    /// `POST /agent/v1/poll`: the heartbeat. Held up to ``longestPoll`` when there is nothing to say.
    public struct PollRequest: Sendable, Codable {
        public var protocolVersion: Int
        public var agentVersion: String
        /// Tasks that may be started now; 0 while full or draining.
        public var freeSlots: Int
        public var slots: Int
        public var engines: [EngineOffer]
        public var labels: [String: String]
        /// Every lease that the agent still works under; renewed by this poll.
        public var leases: [HeldLease]
        /// Wishes a shorter hold than ``longestPoll``; 0 answers at once.
        public var waitSeconds: Double
        /// Absent while the agent takes nothing new. With it a held poll brings work as soon as the
        /// control plane has heard of a slot that is free again; `freeSlots` is what there was when it
        /// left, for control planes of version 1.
        public var offer: WorkOffer?
        /// Made at each start of the agent, so that two machines with one identity are told apart. Absent
        /// from agents that are older than the field, as is `sequence`.
        public var process: ID<AgentProcess>?
        /// Grows with every poll of the process.
        public var sequence: Int64?
        /// Kinds of inquiries that the agent would be given: `inspect`, `compare`. Empty while it takes nothing
        /// new; absent from agents that know none.
        public var answers: [String]?

        public init(
            protocolVersion: Int = ProtocolVersion.current, agentVersion: String = FlowForgeVersion.current,
            freeSlots: Int, slots: Int, engines: [EngineOffer], labels: [String: String] = [:],
            leases: [HeldLease] = [], waitSeconds: Double = 25, offer: WorkOffer? = nil,
            process: ID<AgentProcess>? = nil, sequence: Int64? = nil
        ) {
            self.protocolVersion = protocolVersion
            self.agentVersion = agentVersion
            self.freeSlots = freeSlots
            self.slots = slots
            self.engines = engines
            self.labels = labels
            self.leases = leases
            self.waitSeconds = waitSeconds
            self.offer = offer
            self.process = process
            self.sequence = sequence
        }
    }

    /// What an agent can take: its slots, less those that the control plane knows to be leased, less
    /// those of attempts that are no longer the agent's but whose processes have not ended yet.
    public struct WorkOffer: Hashable, Sendable, Codable {
        public var slots: Int
        public var lostSlots: Int
        /// Names of the engines that tasks may need.
        public var engines: [String]
        public init(slots: Int, lostSlots: Int = 0, engines: [String]) {
            self.slots = slots
            self.lostSlots = lostSlots
            self.engines = engines
        }
    }

    public struct EngineOffer: Hashable, Sendable, Codable {
        public var name: String
        public var version: String
        public init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }

    public struct HeldLease: Hashable, Sendable, Codable {
        public var lease: ID<Lease>
        public var attempt: ID<Attempt>
        public var fencing: Int64
        public init(lease: ID<Lease>, attempt: ID<Attempt>, fencing: Int64) {
            self.lease = lease
            self.attempt = attempt
            self.fencing = fencing
        }
    }

    public struct PollResponse: Sendable, Codable {
        public var serverTime: Date
        public var assignments: [Assignment]
        /// Attempts to end: cancelled, or no longer this agent's. Repeated until the lease is gone.
        public var cancellations: [Cancellation]
        /// Leases that this poll renewed, with the seconds they now have.
        public var renewed: [RenewedLease]
        public var directives: [Directive]
        /// Accepted outcomes whose pointer file this agent's pool has not yet confirmed. Repeated
        /// until a `published` event says that it has moved.
        public var publications: [Publication]
        /// Everything that this agent is to look for, for triggers; absent where that is nothing.
        public var watches: [Watch]?
        /// Everything that this agent is to answer; what it works on and is not named here it gives up. Absent
        /// where that is nothing.
        public var inquiries: [Question]?

        public init(
            serverTime: Date, assignments: [Assignment] = [], cancellations: [Cancellation] = [],
            renewed: [RenewedLease] = [], directives: [Directive] = [], publications: [Publication] = []
        ) {
            self.serverTime = serverTime
            self.assignments = assignments
            self.cancellations = cancellations
            self.renewed = renewed
            self.directives = directives
            self.publications = publications
        }
    }

    /// Files that a trigger waits for. One agent of the pool looks for them at a time.
    public struct Watch: Hashable, Sendable, Codable {
        public var trigger: ID<Trigger>
        /// Grows with each change of who looks and for what; reports carry it.
        public var fencing: Int64
        /// Absolute, or relative to the lake: `*`, `?` and `[…]` within a part of the path, `**` for folders.
        public var pattern: String
        public var everySeconds: Double
        public init(trigger: ID<Trigger>, fencing: Int64, pattern: String, everySeconds: Double) {
            self.trigger = trigger
            self.fencing = fencing
            self.pattern = pattern
            self.everySeconds = everySeconds
        }
    }

    public struct RenewedLease: Hashable, Sendable, Codable {
        public var lease: ID<Lease>
        public var seconds: Double
        public init(lease: ID<Lease>, seconds: Double) {
            self.lease = lease
            self.seconds = seconds
        }
    }

    public struct Cancellation: Hashable, Sendable, Codable {
        public var attempt: ID<Attempt>
        public var lease: ID<Lease>
        public var reason: CancellationReason
        public init(attempt: ID<Attempt>, lease: ID<Lease>, reason: CancellationReason) {
            self.attempt = attempt
            self.lease = lease
            self.reason = reason
        }
    }

    public enum CancellationReason: String, WireEnum {
        case runCancelled, leaseLost
        case unknown
    }

    public enum Directive: String, WireEnum {
        /// Finish what runs, take nothing new.
        case drain
        /// Take work again.
        case resume
        /// Renew the certificate now.
        case renew
        case unknown
    }

    public struct Publication: Hashable, Sendable, Codable {
        public var environment: String
        public var asset: AssetName
        public var snapshot: SnapshotReference
        /// As ``Assignment/storage``.
        public var storage: [String: String]?
        public init(environment: String, asset: AssetName, snapshot: SnapshotReference, storage: [String: String]? = nil) {
            self.environment = environment
            self.asset = asset
            self.snapshot = snapshot
            self.storage = storage
        }
    }

    /// One attempt to run, under a lease. The task itself (SQL, checks, limits) is read by the agent
    /// from the bundle, which it verifies by digest; the control plane says only which task, with
    /// which bindings, on which snapshots.
    public struct Assignment: Sendable, Codable {
        public var attempt: ID<Attempt>
        public var number: Int
        public var lease: ID<Lease>
        /// Grows with every lease of the pool; stamps everything that the attempt publishes.
        public var fencing: Int64
        /// How long the lease lasts unless the start is confirmed.
        public var leaseSeconds: Double
        public var run: ID<Run>
        public var environment: String
        public var bundle: BundleReference
        public var flow: String
        public var task: String
        /// Bound and type-checked by the control plane.
        public var parameters: [String: JSONValue]
        /// The environment's values of the bundle's variables.
        public var variables: [String: JSONValue]
        /// The snapshot of each input that has one; an input without was never published.
        public var inputs: [AssetName: SnapshotReference]
        /// The output's current snapshot, the base of append, merge and SCD2.
        public var base: SnapshotReference?
        /// When the run was created: the one time that SQL sees as `run_time`, equal across retries.
        public var runTime: Date
        /// The moment that the run is meant for, which SQL sees as `scheduled_for`; absent where there is
        /// none, and from control planes that are older than the field.
        public var scheduledFor: Date?
        /// Where the secrets lie that the task needs, by the names that it has for them; never a secret
        /// itself. Absent where it needs none, and from control planes that are older than the field.
        public var credentials: [String: String]?
        /// Names of the lake's roots by layer; a layer that is not named lies in the lake's own root. Absent where
        /// none is, and from control planes that are older than the field.
        public var storage: [String: String]?

        public init(
            attempt: ID<Attempt>, number: Int, lease: ID<Lease>, fencing: Int64, leaseSeconds: Double, run: ID<Run>,
            environment: String, bundle: BundleReference, flow: String, task: String,
            parameters: [String: JSONValue], variables: [String: JSONValue], inputs: [AssetName: SnapshotReference],
            base: SnapshotReference?, runTime: Date, scheduledFor: Date? = nil, credentials: [String: String]? = nil,
            storage: [String: String]? = nil
        ) {
            self.attempt = attempt
            self.number = number
            self.lease = lease
            self.fencing = fencing
            self.leaseSeconds = leaseSeconds
            self.run = run
            self.environment = environment
            self.bundle = bundle
            self.flow = flow
            self.task = task
            self.parameters = parameters
            self.variables = variables
            self.inputs = inputs
            self.base = base
            self.runTime = runTime
            self.scheduledFor = scheduledFor
            self.credentials = credentials
            self.storage = storage
        }
    }
}

/// A bundle by name and digest; the digest (`sha256:<64 hex>`) is that of its OCI manifest.
public struct BundleReference: Hashable, Sendable, Codable {
    public var name: String
    public var version: String
    public var digest: String
    public init(name: String, version: String, digest: String) {
        self.name = name
        self.version = version
        self.digest = digest
    }
}

extension AssetName: CodingKeyRepresentable {
    public var codingKey: any CodingKey { TextKey(stringValue: description) }
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }
}

private struct TextKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
