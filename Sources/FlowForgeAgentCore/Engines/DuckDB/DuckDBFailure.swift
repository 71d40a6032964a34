import FlowForgeProtocol
import Foundation

/// An error of DuckDB, whole: it may quote values of the data, so it never leaves the agent as it is
/// (``ErrorReducer`` makes what does).
struct DuckDBFailure: Error, Sendable {
    /// DuckDB's class, e.g. `Binder`, `Conversion`, `Out of Memory`.
    var type: String
    var message: String

    /// Reads what DuckDB wrote on standard error: with `errors_as_json` one JSON object in a line;
    /// before that setting, or when the process dies of something else, plain text.
    init(standardError text: String, exitStatus: String) {
        struct Line: Decodable {
            var exception_type: String
            var exception_message: String
        }
        for line in text.split(separator: "\n").reversed() where line.hasPrefix("{") {
            if let parsed = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)) {
                type = parsed.exception_type
                message = parsed.exception_message
                return
            }
        }
        type = "Process"
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        message = trimmed.isEmpty ? "the DuckDB process ended with \(exitStatus) and no message" : trimmed
    }

    init(type: String, message: String) {
        self.type = type
        self.message = message
    }

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
