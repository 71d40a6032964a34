public import FlowForgeProtocol

/// A place in a text file; both count from 1, columns in Unicode scalars.
public struct SourcePosition: Hashable, Sendable {
    public var line: Int
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// A value of a YAML file and where it stands.
public struct YAMLNode: Hashable, Sendable {
    public indirect enum Content: Hashable, Sendable {
        /// `isPlain`: written without quotes, so it may be a number, `true` or `null`.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the file, keys unique.
        case mapping([YAMLEntry])
    }

    public var content: Content
    public var position: SourcePosition

    public init(_ content: Content, at position: SourcePosition) {
        self.content = content
        self.position = position
    }
}

public struct YAMLEntry: Hashable, Sendable {
    public var key: String
    /// Where the key stands.
    public var position: SourcePosition
    public var value: YAMLNode

    public init(key: String, position: SourcePosition, value: YAMLNode) {
        self.key = key
        self.position = position
        self.value = value
    }
}

extension YAMLNode {
    /// The value by YAML 1.2's core schema: `yes`, `no`, `on` and `12:30` are text. `nil` for what JSON
    /// cannot carry: infinities, `.nan`, and integers beyond 64 bits.
    public var json: JSONValue? {
        switch content {
        case .scalar(let text, isPlain: false): return .string(text)
        case .scalar(let text, isPlain: true): return Self.resolving(text)
        case .sequence(let items):
            let values = items.compactMap(\.json)
            return values.count == items.count ? .array(values) : nil
        case .mapping(let entries):
            var members: [String: JSONValue] = [:]
            for entry in entries {
                guard let value = entry.value.json else { return nil }
                members[entry.key] = value
            }
            return .object(members)
        }
    }

    /// Written without a value, or as `null` or `~`.
    public var isNull: Bool { json == .null }

    private static func resolving(_ text: String) -> JSONValue? {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        let sign = text.hasPrefix("-") || text.hasPrefix("+") ? 1 : 0
        let body = text.dropFirst(sign)
        if body.hasPrefix(".") {
            let word = body.dropFirst().lowercased()
            if word == "inf" || (word == "nan" && sign == 0) { return nil }
        }
        if sign == 0 {
            for (prefix, radix) in [("0x", 16), ("0o", 8)] where text.hasPrefix(prefix) {
                let digits = text.dropFirst(2)
                guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && ($0.hexDigitValue ?? 16) < radix }) else { break }
                return Int64(digits, radix: radix).map(JSONValue.integer)
            }
        }
        guard let first = body.utf8.first, isDigit(first) || first == UInt8(ascii: ".") else { return .string(text) }
        if body.utf8.allSatisfy(isDigit) { return Int64(text).map(JSONValue.integer) }
        guard isFloat(body) else { return .string(text) }
        return Double(text).flatMap { $0.isFinite ? .number($0) : nil }
    }

    /// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
    private static func isFloat(_ text: Substring) -> Bool {
        var rest = text.utf8[...]
        let whole = rest.prefix(while: isDigit)
        rest = rest.dropFirst(whole.count)
        if rest.first == UInt8(ascii: ".") {
            let fraction = rest.dropFirst().prefix(while: isDigit)
            guard !(whole.isEmpty && fraction.isEmpty) else { return false }
            rest = rest.dropFirst(1 + fraction.count)
        }
        guard let mark = rest.first else { return true }
        guard mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E") else { return false }
        rest = rest.dropFirst()
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
        return !rest.isEmpty && rest.allSatisfy(isDigit)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
