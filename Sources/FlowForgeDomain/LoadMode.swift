public import FlowForgeProtocol

/// How a task's rows become the next snapshot of its output.
public enum LoadMode: String, WireEnum {
    /// Base rows plus the new ones.
    case append
    /// The new rows alone.
    case replace
    /// New rows replace base rows with equal keys.
    case merge
    /// Slowly changing dimension, type 2: history kept in `_valid_from`, `_valid_to`, `_is_current`.
    case scd2
    /// New rows replace the base's rows in every partition that they touch.
    case partitionOverwrite = "partition-overwrite"
    case unknown
}
