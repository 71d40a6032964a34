/// What becomes of a time of day that the zone's clock does not show exactly once on some day.
///
/// | | the clock leaves the time out (gap) | the clock shows the time twice (overlap) |
/// |---|---|---|
/// | `skip` | not run that day | the first time |
/// | `once` | at the first instant after the gap | the first time |
/// | `both` | at the first instant after the gap | both times |
///
/// Several times in one gap are one tick. The policy is for *times of day*: cron expressions whose hour
/// field begins with `*` follow elapsed time as Vixie cron's do (every instant whose wall clock reads a
/// matching time, nothing moved out of a gap), and intervals know no clock at all.
/// docs/decisions/0020-times-that-do-not-exist.md says why.
public enum DSTPolicy: String, Codable, Sendable, Hashable, CaseIterable {
    case skip, once, both
}
