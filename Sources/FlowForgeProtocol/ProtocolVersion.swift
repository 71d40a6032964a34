/// The agent protocol's version: one integer, sent in every join and poll.
///
/// A control plane serves agents of its own version and of the one before it, and answers any other
/// with ``ErrorCode/protocolVersion``.
///
/// History, newest first:
/// - 2 (2026-11-23): polls and reports carry an `offer`; the answer to a report may carry assignments.
///   Added without a change of the version: `GET bundles/{digest}/referrers`.
/// - 1 (2026-11-23): join, renew, poll, report, blobs.
public enum ProtocolVersion {
    public static let current = 2
    public static let oldestServed = 1

    public static func isServed(_ version: Int) -> Bool { (oldestServed...current).contains(version) }
}

/// The version of this build of FlowForge, as `--version` prints it.
public enum FlowForgeVersion {
    public static let current = "0.1.0"
}
