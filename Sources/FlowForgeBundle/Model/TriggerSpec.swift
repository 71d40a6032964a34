public import FlowForgeDomain
public import FlowForgeProtocol

/// What starts a flow by itself. Exactly one of `schedule`, `upstream`, `asset`, `file` and `webhook`
/// is present.
public struct TriggerSpec: Hashable, Sendable, Codable {
    public var name: String
    public var schedule: Schedule?
    public var upstream: UpstreamSpec?
    public var asset: AssetUpdateSpec?
    public var file: FileArrivalSpec?
    public var webhook: WebhookSpec?
    /// Values for the bundle's parameters, as every run that it starts gets them.
    public var parameters: [String: JSONValue]
    public var overlap: Overlap

    public init(
        name: String, schedule: Schedule? = nil, upstream: UpstreamSpec? = nil, asset: AssetUpdateSpec? = nil,
        file: FileArrivalSpec? = nil, webhook: WebhookSpec? = nil, parameters: [String: JSONValue] = [:],
        overlap: Overlap = .queue
    ) {
        self.name = name
        self.schedule = schedule
        self.upstream = upstream
        self.asset = asset
        self.file = file
        self.webhook = webhook
        self.parameters = parameters
        self.overlap = overlap
    }

    public var kind: TriggerKind {
        if schedule != nil { return .schedule }
        if upstream != nil { return .upstream }
        if asset != nil { return .asset }
        if file != nil { return .file }
        return webhook != nil ? .webhook : .unknown
    }

    /// What becomes of a tick while a run of the flow in the environment has not ended.
    public enum Overlap: String, WireEnum {
        /// It starts a run, which waits for its turn where the flow limits how many run at once.
        case queue
        /// It is skipped; one about files or a table waits for the run's end, as no later tick would be about
        /// them. Runs of backfills do not count.
        case skip
        case unknown
    }
}

public struct UpstreamSpec: Hashable, Sendable, Codable {
    /// Absent for a flow of the same bundle.
    public var bundle: String?
    public var flow: String
    public var on: Condition
    public var delaySeconds: Double

    public init(bundle: String? = nil, flow: String, on: Condition = .success, delaySeconds: Double = 0) {
        self.bundle = bundle
        self.flow = flow
        self.on = on
        self.delaySeconds = delaySeconds
    }

    /// Which ends of the upstream run count; a completion is any, a cancelled run's too.
    public enum Condition: String, WireEnum {
        case success, failure, completion
        case unknown
    }
}

public struct AssetUpdateSpec: Hashable, Sendable, Codable {
    public var name: AssetName
    /// Further snapshots within this time from the first belong to the same tick.
    public var debounceSeconds: Double

    public init(name: AssetName, debounceSeconds: Double = 0) {
        self.name = name
        self.debounceSeconds = debounceSeconds
    }
}

public struct FileArrivalSpec: Hashable, Sendable, Codable {
    /// A pattern on the agents of the environment's pool; a ``Template`` of variables.
    public var path: String
    /// Between two looks. A file has arrived when two looks find it unchanged.
    public var everySeconds: Double

    public init(path: String, everySeconds: Double = 30) {
        self.path = path
        self.everySeconds = everySeconds
    }
}

public struct WebhookSpec: Hashable, Sendable, Codable {
    /// Parameters that a delivery may set, as members of its JSON body.
    public var parameters: [String]

    public init(parameters: [String] = []) { self.parameters = parameters }
}
