/// How much the spool may hold.
public struct SpoolLimits: Sendable {
    /// Of the folder. Past it the oldest log events are dropped, each leaving a `dropped` event under
    /// its number. Other events are never dropped: they are few, and an agent that cannot report gets
    /// no more work that would make them.
    public var maxBytes: Int
    /// A segment is closed when it has grown to this.
    public var segmentBytes: Int

    public init(maxBytes: Int = 256 << 20, segmentBytes: Int? = nil) {
        self.maxBytes = maxBytes
        self.segmentBytes = segmentBytes ?? min(1 << 20, max(maxBytes / 8, 4 << 10))
    }
}

/// Consecutive events, encoded as the body of one report.
public struct SpoolBatch: Sendable {
    public var first: Int64
    public var last: Int64
    /// What was found damaged since the last batch and what was done about it, one line each.
    var findings: [String] = []
}
