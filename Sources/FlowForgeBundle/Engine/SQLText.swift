public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation

/// Writes names and values into SQL. Everything that is not our own constant text goes through here.
public enum SQLText {
    public static func identifier(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    public static func identifiers(_ names: [String]) -> String { names.map(identifier).joined(separator: ", ") }

    public static func literal(_ text: String) -> String {
        "'" + text.replacing("'", with: "''") + "'"
    }

    public static func list(_ texts: [String]) -> String { "[" + texts.map(literal).joined(separator: ", ") + "]" }

    /// `"silver"."flights"`.
    public static func name(of asset: AssetName) -> String {
        "\(identifier(asset.layer.rawValue)).\(identifier(asset.table))"
    }

    /// Text of others (a bundle's SQL) as an expression of printable ASCII on one line: the command
    /// line program splits its input into statements and looks for dot commands before DuckDB's
    /// parser sees anything, so no text of others may reach that splitter.
    public static func opaque(_ text: String) -> String {
        "decode(from_base64('\(Data(text.utf8).base64EncodedString())'))"
    }

    /// An instant, with microseconds.
    public static func literal(_ date: Date) -> String {
        "make_timestamptz(\(Int64((date.timeIntervalSince1970 * 1_000_000).rounded())))"
    }

    /// A JSON scalar as a literal of its own type; text for anything else.
    public static func literal(_ value: JSONValue) -> String {
        switch value {
        case .null: "NULL"
        case .bool(let flag): flag ? "true" : "false"
        case .integer(let number): String(number)
        case .number(let number): "\(literal(String(number)))::DOUBLE"
        case .string(let text): literal(text)
        case .array, .object: literal(String(decoding: (try? WireCoding.encode(value)) ?? Data(), as: UTF8.self))
        }
    }

    /// The type by which SQL sees a parameter or variable; `nil` where that follows from the value.
    public static func type(of type: ParameterType) -> String? {
        switch type {
        case .string, .path: "VARCHAR"
        case .integer: "BIGINT"
        case .number: "DOUBLE"
        case .boolean: "BOOLEAN"
        case .date: "DATE"
        case .timestamp: "TIMESTAMPTZ"
        case .unknown: nil
        }
    }

    /// A value of a parameter or variable. Text could hold anything, newlines included, so it is opaque.
    public static func literal(_ value: JSONValue, as type: ParameterType) -> String {
        let literal = value.string.map(opaque) ?? literal(value)
        return self.type(of: type).map { "CAST(\(literal) AS \($0))" } ?? literal
    }
}
