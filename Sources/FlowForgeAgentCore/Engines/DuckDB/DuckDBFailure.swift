import FlowForgeBundle

/// It may quote values of the data, so it never leaves the agent as it is (``ErrorReducer`` makes what does).
typealias DuckDBFailure = DuckDBError

extension DuckDBError {
    /// The task error's code, its hint, and whether another attempt may help.
    var kind: (code: String, hint: String?, retryable: Bool) {
        if message.contains("No space left on device") || message.contains("max_temp_directory_size") {
            return ("disk_full", "free space where the lake and the agent's work folder are", true)
        }
        switch type {
        case "Out of Memory":
            return ("out_of_memory", "raise the task's resources.memory, or let it use fewer threads", false)
        case "Permission":
            return ("sql_forbidden", "a task's SQL reads its declared inputs only; declare the asset under `inputs`", false)
        case "IO": return ("io_error", nil, true)
        case "INTERNAL", "Process", "Fatal": return ("engine_failed", nil, true)
        default: return ("sql_error", nil, false)
        }
    }
}
