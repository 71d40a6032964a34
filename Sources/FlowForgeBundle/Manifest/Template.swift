public import FlowForgeProtocol

/// A text of the manifest with `${variables.name}` and `${parameters.name}` in it. There is no way to
/// write a literal `${`; nothing that a template is used for needs one.
public struct Template: Hashable, Sendable {
    public enum Part: Hashable, Sendable {
        case literal(String)
        case variable(String)
        case parameter(String)
    }

    public struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        public var description: String
        public var hint: String?
    }

    public let parts: [Part]

    public init(_ text: String) throws(Fault) {
        var parts: [Part] = []
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            if open.lowerBound > rest.startIndex { parts.append(.literal(String(rest[..<open.lowerBound]))) }
            guard let close = rest[open.upperBound...].firstIndex(of: "}") else {
                throw Fault(description: "'${' has no '}'", hint: "write ${variables.name} or ${parameters.name}")
            }
            let words = rest[open.upperBound..<close].split(separator: ".", omittingEmptySubsequences: false)
            guard words.count == 2, isPlainName(words[1]) else { throw Self.unknown(rest[open.lowerBound...close]) }
            switch words[0] {
            case "variables": parts.append(.variable(String(words[1])))
            case "parameters": parts.append(.parameter(String(words[1])))
            default: throw Self.unknown(rest[open.lowerBound...close])
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.literal(String(rest))) }
        self.parts = parts
    }

    /// The text with its values. `nil` where one of them is not bound, which binding by
    /// `ParameterBinder` rules out.
    ///
    /// As a `path`, a value of a parameter must be one plain part of it: what a run is given must not
    /// lead elsewhere or become a glob, so `/`, `..` and the glob characters make it `nil` too.
    public func resolve(
        variables: [String: JSONValue], parameters: [String: JSONValue], asPath: Bool = false
    ) -> String? {
        var text = ""
        for part in parts {
            switch part {
            case .literal(let literal): text += literal
            case .variable(let name):
                guard let value = variables[name]?.templateText else { return nil }
                text += value
            case .parameter(let name):
                guard let value = parameters[name]?.templateText, !asPath || Self.isPlainPart(value) else { return nil }
                text += value
            }
        }
        return text
    }

    private static func isPlainPart(_ text: String) -> Bool {
        text != "." && text != ".." && !text.unicodeScalars.contains { "/*?[]{}".unicodeScalars.contains($0) || $0.value < 0x20 }
    }

    private static func unknown(_ text: Substring) -> Fault {
        Fault(description: "'\(text.prefix(80))' is not understood", hint: "write ${variables.name} or ${parameters.name}")
    }
}

extension JSONValue {
    /// A bound value as text: numbers as JSON writes them, so 2013 and not 2013.0.
    fileprivate var templateText: String? {
        switch self {
        case .string(let text): text
        case .integer(let value): String(value)
        case .number(let value): Int64(exactly: value).map(String.init) ?? String(value)
        case .bool(let flag): String(flag)
        case .null, .array, .object: nil
        }
    }
}
