internal import Foundation

/// An error of DuckDB, whole: it may quote values of the data.
public struct DuckDBError: Error, Sendable {
    /// DuckDB's class, e.g. `Binder`, `Conversion`, `Out of Memory`.
    public var type: String
    public var message: String

    /// Reads what DuckDB wrote on standard error: with `errors_as_json` one JSON object in a line;
    /// before that setting, or when the process dies of something else, plain text.
    public init(standardError text: String, exitStatus: String) {
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

    public init(type: String, message: String) {
        self.type = type
        self.message = message
    }
}
