/// How long what is finished is kept; absent: for ever. The audit trail always is.
public struct RetentionSettings: Sendable, Hashable {
    /// Runs with their tasks and attempts, from their end.
    public var runs: Duration?
    public var logs: Duration?
    public var lineageEvents: Duration?
    /// Of each bundle and environment: the runs whose tables those many former releases point to stay, to return to.
    public var rollbackWindow = 10
    /// How often it is looked for.
    public var period: Duration = .seconds(3600)
    /// Rows that one transaction removes: so long, and no longer, a write may wait for it.
    public var batch = 500
    /// Between two of them, so that others have most of the writer's time.
    public var pause: Duration = .milliseconds(20)

    public init() {}

    public var isOn: Bool { runs != nil || logs != nil || lineageEvents != nil }
}
