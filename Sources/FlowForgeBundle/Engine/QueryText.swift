public import FlowForgeProtocol
internal import Foundation

/// The one SELECT of a task's SQL file, and how DuckDB is asked about it.
public struct QueryText: Sendable {
    /// The file as the manifest names it.
    public let file: String
    public let text: String

    public init(file: String, text: String) {
        self.file = file
        self.text = text
    }

    /// A relation of its rows. The text is a variable of the session: see ``SQLText/opaque(_:)``.
    public static let select = "SELECT * FROM query(getvariable('ff sql'))"

    /// Makes it what ``select`` and ``Parsed/query`` are about.
    public var setting: String { "SET VARIABLE \"ff sql\" = \(SQLText.opaque(text))" }

    /// The row of ``query``.
    public struct Parsed: Decodable, Sendable {
        var failed: Bool
        var reason: String?
        var position: String?
        var statements: Int?
        var source: String?
        var statement: String?

        /// Taken apart by DuckDB: Foundation reads JSON of 512 levels and no more.
        public static let query = """
            SELECT CAST(j->>'$.error' AS BOOLEAN) AS failed, j->>'$.error_message' AS reason, j->>'$.position' AS "position", \
            CAST(json_array_length(j, '$.statements') AS INTEGER) AS statements, \
            j->>'$.statements[0].node.from_table.type' AS source, CAST(j->'$.statements[0]' AS VARCHAR) AS statement \
            FROM (SELECT json_serialize_sql(getvariable('ff sql'), skip_default := true, skip_null := true, skip_empty := true) AS j)
            """
    }

    /// Why a text is no task.
    public struct Fault: Error, Hashable, Sendable {
        public var code: String
        /// With the file, and the line where that is known.
        public var message: String
        public var hint: String?
        public var line: Int?
        /// The message without the place.
        public var reason: String
    }

    /// The syntax tree as DuckDB serialises it, of what is exactly one SELECT; `nil` where that is nested
    /// too deeply to be read.
    public func tree(of parsed: Parsed) throws(Fault) -> JSONValue? {
        guard !parsed.failed else {
            let reason = parsed.reason ?? "it cannot be parsed"
            if reason.hasPrefix("Only SELECT") {
                throw Fault(
                    file, "is not a SELECT",
                    hint:
                        "a task is one SELECT; FlowForge writes its rows (see `load`). PIVOT needs an outer SELECT … FROM (PIVOT …)"
                )
            }
            throw Fault(file, line: parsed.position.flatMap { Int($0) }.map(lineNumber), reason: reason)
        }
        guard parsed.statements == 1, let statement = parsed.statement else {
            throw Fault(
                file, "holds \(parsed.statements ?? 0) statements, not one SELECT",
                hint: "split it into tasks, or use WITH")
        }
        guard parsed.source != "SHOW_REF" else {
            throw Fault(
                file, "is a DESCRIBE, SHOW or SUMMARIZE, not a SELECT",
                hint: "a task is one SELECT")
        }
        return try? JSONDecoder().decode(JSONValue.self, from: Data(statement.utf8))
    }

    /// The line of what a binder's message complains about; `nil` where that is not in exactly one
    /// line. (DuckDB's own position is that of our statement around the query.)
    public func lineNumber(complainedAboutIn message: String) -> Int? {
        guard let name = message.firstMatch(of: #/(?:name |column |function |")"?(\w+)/#)?.output.1 else { return nil }
        let word = try? Regex("\\b\(name)\\b").ignoresCase()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let found = lines.indices.filter { index in word.map { lines[index].contains($0) } ?? false }
        return found.count == 1 ? found[0] + 1 : nil
    }

    /// 1 for the first line.
    public func lineNumber(at position: Int) -> Int {
        1 + text.utf8.prefix(position).count { $0 == UInt8(ascii: "\n") }
    }
}

extension QueryText.Fault {
    /// A text that is something else than a SELECT.
    init(_ file: String, _ reason: String, hint: String) {
        (code, self.reason, self.hint) = ("sql_not_select", reason, hint)
        message = "\(file) \(reason)"
    }

    /// A text that the parser refuses.
    init(_ file: String, line: Int?, reason: String) {
        (code, self.line, self.reason) = ("sql_error", line, reason)
        message = "\(file)\(line.map { ", line \($0)" } ?? ""): \(reason)"
    }
}
