import FlowForgeProtocol
import Foundation

/// The one SELECT of a task's SQL file.
struct TaskQuery: Sendable {
    /// The file as the manifest names it.
    let file: String
    let text: String

    /// A relation of its rows. The text is a variable of the session: see ``SQLText/opaque(_:)``.
    static let select = "SELECT * FROM query(getvariable('ff sql'))"

    static func read(_ file: String, in bundle: URL) throws -> TaskQuery {
        do {
            let bytes = try Data(contentsOf: bundle.appending(path: file))
            guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
                throw TaskError(code: "sql_invalid", message: "\(file) is not UTF-8 text", hint: "save it as UTF-8")
            }
            return TaskQuery(file: file, text: text)
        } catch let error as CocoaError {
            throw TaskError(code: "sql_missing", message: "cannot read \(file) of the bundle (\(error.code.rawValue))")
        }
    }

    private struct Parsed: Decodable, Sendable {
        var failed: Bool
        var reason: String?
        var position: String?
        var statements: Int?
        var source: String?
        var statement: String?
    }

    /// Checks that the text is exactly one SELECT, makes it readable as ``select``, and returns its
    /// syntax tree as DuckDB serialises it; `nil` where that is nested too deeply to be read.
    func prepare(in session: DuckDBSession) async throws -> JSONValue? {
        try await session.execute("SET VARIABLE \"ff sql\" = \(SQLText.opaque(text))")
        // Taken apart by DuckDB: Foundation reads JSON of 512 levels and no more.
        let parsed = try await session.row(
            Parsed.self,
            """
            SELECT CAST(j->>'$.error' AS BOOLEAN) AS failed, j->>'$.error_message' AS reason, j->>'$.position' AS "position", \
            CAST(json_array_length(j, '$.statements') AS INTEGER) AS statements, \
            j->>'$.statements[0].node.from_table.type' AS source, CAST(j->'$.statements[0]' AS VARCHAR) AS statement \
            FROM (SELECT json_serialize_sql(getvariable('ff sql'), skip_default := true, skip_null := true, skip_empty := true) AS j)
            """)
        guard !parsed.failed else {
            let reason = parsed.reason ?? "it cannot be parsed"
            if reason.hasPrefix("Only SELECT") {
                throw TaskError(
                    code: "sql_not_select", message: "\(file) is not a SELECT",
                    hint:
                        "a task is one SELECT; FlowForge writes its rows (see `load`). PIVOT needs an outer SELECT … FROM (PIVOT …)"
                )
            }
            let line = parsed.position.flatMap { Int($0) }.map { ", line \(lineNumber(at: $0))" } ?? ""
            throw TaskError(code: "sql_error", message: "\(file)\(line): \(reason)")
        }
        guard parsed.statements == 1, let statement = parsed.statement else {
            throw TaskError(
                code: "sql_not_select", message: "\(file) holds \(parsed.statements ?? 0) statements, not one SELECT",
                hint: "split it into tasks, or use WITH")
        }
        guard parsed.source != "SHOW_REF" else {
            throw TaskError(
                code: "sql_not_select", message: "\(file) is a DESCRIBE, SHOW or SUMMARIZE, not a SELECT",
                hint: "a task is one SELECT")
        }
        return try? JSONDecoder().decode(JSONValue.self, from: Data(statement.utf8))
    }

    /// The line of what a binder's message complains about; `nil` where that is not in exactly one
    /// line. (DuckDB's own position is that of our statement around the query.)
    func lineNumber(complainedAboutIn message: String) -> Int? {
        guard let name = message.firstMatch(of: #/(?:name |column |function |")"?(\w+)/#)?.output.1 else { return nil }
        let word = try? Regex("\\b\(name)\\b").ignoresCase()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let found = lines.indices.filter { index in word.map { lines[index].contains($0) } ?? false }
        return found.count == 1 ? found[0] + 1 : nil
    }

    /// 1 for the first line.
    func lineNumber(at position: Int) -> Int {
        1 + text.utf8.prefix(position).count { $0 == UInt8(ascii: "\n") }
    }
}
