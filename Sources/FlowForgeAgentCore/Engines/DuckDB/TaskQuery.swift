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
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw TaskError(code: "sql_invalid", message: "\(file) is not UTF-8 text", hint: "save it as UTF-8")
            }
            return TaskQuery(file: file, text: text)
        } catch let error as CocoaError {
            throw TaskError(code: "sql_missing", message: "cannot read \(file) of the bundle (\(error.code.rawValue))")
        }
    }

    private struct Parsed: Decodable, Sendable {
        var j: JSONValue
    }

    /// Checks that the text is exactly one SELECT, makes it readable as ``select``, and returns its
    /// syntax tree as DuckDB serialises it.
    func prepare(in session: DuckDBSession) async throws -> JSONValue {
        try await session.execute("SET VARIABLE \"ff sql\" = \(SQLText.opaque(text))")
        let tree = try await session.row(Parsed.self, "SELECT json_serialize_sql(getvariable('ff sql')) AS j").j
        guard tree["error"]?.bool == false else {
            let reason = tree["error_message"]?.string ?? "it cannot be parsed"
            if reason.hasPrefix("Only SELECT") {
                throw TaskError(
                    code: "sql_not_select", message: "\(file) is not a SELECT",
                    hint: "a task is one SELECT; FlowForge writes its rows (see `load`). PIVOT needs an outer SELECT … FROM (PIVOT …)")
            }
            let line = tree["position"]?.string.flatMap { Int($0) }.map { ", line \(lineNumber(at: $0))" } ?? ""
            throw TaskError(code: "sql_error", message: "\(file)\(line): \(reason)")
        }
        let statements = tree["statements"]?.array ?? []
        guard statements.count == 1 else {
            throw TaskError(
                code: "sql_not_select", message: "\(file) holds \(statements.count) statements, not one SELECT",
                hint: "split it into tasks, or use WITH")
        }
        guard statements[0]["node"]?["from_table"]?["type"]?.string != "SHOW_REF" else {
            throw TaskError(
                code: "sql_not_select", message: "\(file) is a DESCRIBE, SHOW or SUMMARIZE, not a SELECT",
                hint: "a task is one SELECT")
        }
        return statements[0]
    }

    /// 1 for the first line.
    func lineNumber(at position: Int) -> Int {
        1 + text.utf8.prefix(position).count { $0 == UInt8(ascii: "\n") }
    }
}
