import FlowForgeProtocol
import Foundation

/// Writes names and values into SQL. Everything that is not our own constant text goes through here.
enum SQLText {
    static func identifier(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    static func identifiers(_ names: [String]) -> String { names.map(identifier).joined(separator: ", ") }

    static func literal(_ text: String) -> String {
        "'" + text.replacing("'", with: "''") + "'"
    }

    static func list(_ texts: [String]) -> String { "[" + texts.map(literal).joined(separator: ", ") + "]" }

    /// `"silver"."flights"`.
    static func name(of asset: AssetName) -> String {
        "\(identifier(asset.layer.rawValue)).\(identifier(asset.table))"
    }

    /// Text of others (a bundle's SQL) as an expression of printable ASCII on one line: the command
    /// line program splits its input into statements and looks for dot commands before DuckDB's
    /// parser sees anything, so no text of others may reach that splitter.
    static func opaque(_ text: String) -> String {
        "decode(from_base64('\(Data(text.utf8).base64EncodedString())'))"
    }

    /// An instant, with microseconds.
    static func literal(_ date: Date) -> String {
        "make_timestamptz(\(Int64((date.timeIntervalSince1970 * 1_000_000).rounded())))"
    }

    /// A JSON scalar as a literal of its own type; text for anything else.
    static func literal(_ value: JSONValue) -> String {
        switch value {
        case .null: "NULL"
        case .bool(let flag): flag ? "true" : "false"
        case .integer(let number): String(number)
        case .number(let number): "\(literal(String(number)))::DOUBLE"
        case .string(let text): literal(text)
        case .array, .object: literal(String(decoding: (try? WireCoding.encode(value)) ?? Data(), as: UTF8.self))
        }
    }
}
