import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// The one SELECT of a task's SQL file.
typealias TaskQuery = QueryText

extension QueryText {
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

    /// Checks that the text is exactly one SELECT, makes it readable as ``select``, and returns its
    /// syntax tree as DuckDB serialises it; `nil` where that is nested too deeply to be read.
    func prepare(in session: DuckDBSession) async throws -> JSONValue? {
        try await session.execute(setting)
        let parsed = try await session.row(Parsed.self, Parsed.query)
        do {
            return try tree(of: parsed)
        } catch {
            throw TaskError(code: error.code, message: error.message, hint: error.hint)
        }
    }
}
