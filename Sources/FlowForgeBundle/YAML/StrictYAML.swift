internal import FlowForgeDomain
public import Foundation

/// Reads one YAML file of people, strictly, and collects everything that is wrong with it.
///
/// Accepted is what JSON can say, in YAML's clothes: no anchors, aliases, tags or merge keys, one
/// document, keys that are text and unique, UTF-8, at most 4 MiB and 32 levels. So a small file cannot
/// become a large value, and a reader of the file sees all that there is.
///
/// ```swift
/// let yaml = StrictYAML(file: "agent.yaml")
/// if let root = yaml.parse(bytes), let config = yaml.mapping(root, keys: ["pool", "timeout"], of: "the configuration") {
///     pool = config.text("pool", required: true)
///     timeout = config.duration("timeout", in: 1...60)      // seconds
/// }
/// try yaml.finish()
/// ```
public final class StrictYAML {
    public static let largestFile = BundleLimits.manifestBytes
    public static let deepest = 32

    /// The path as messages show it.
    public let file: String
    public private(set) var problems: [Problem] = []

    public init(file: String) { self.file = file }

    /// The file's value, or `nil` after reporting why there is none. Problems that leave a value, such
    /// as duplicate keys, are reported and the value is returned.
    public func parse(_ data: Data) -> YAMLNode? {
        guard data.count <= Self.largestFile else {
            report("the file has \(data.count) bytes", hint: "at most 4 MiB is read; move SQL and lists into files of their own")
            return nil
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            report("the file is not valid UTF-8", hint: "save it as UTF-8", at: Self.firstInvalid(in: data))
            return nil
        }
        if text.unicodeScalars.first == "\u{FEFF}" {
            report("the file starts with a byte order mark", hint: "save it as UTF-8 without one", at: .init(line: 1, column: 1))
            return nil
        }
        return YAMLComposer(reader: self).compose(text)
    }

    public func report(_ message: String, hint: String? = nil, at position: SourcePosition? = nil) {
        problems.append(
            Problem(file: file, line: position?.line, column: position?.column, message: message, hint: hint))
    }

    /// Throws what was found, if anything was.
    public func finish() throws(Problems) {
        if !problems.isEmpty { throw Problems(problems) }
    }

    /// `node` as a mapping with these keys at most; anything else is reported. `what` names the thing
    /// in messages, e.g. `task 'flights'`.
    public func mapping(_ node: YAMLNode, keys: [String], of what: String) -> YAMLMapping? {
        guard case .mapping(let entries) = node.content else {
            report("\(what) must be a mapping, not \(node.kindForPeople)", hint: Self.known(keys), at: node.position)
            return nil
        }
        for entry in entries where !keys.contains(entry.key) {
            let hint = Spelling.nearest(entry.key, among: keys).map { "did you mean '\($0)'?" } ?? Self.known(keys)
            report("unknown key '\(entry.key.prefix(80))' in \(what)", hint: hint, at: entry.position)
        }
        return YAMLMapping(reader: self, what: what, position: node.position, entries: entries)
    }

    /// `node` as a mapping whose keys are names that the author chose.
    public func names(_ node: YAMLNode, of what: String) -> [YAMLEntry] {
        guard case .mapping(let entries) = node.content else {
            report("\(what) must be a mapping, not \(node.kindForPeople)", at: node.position)
            return []
        }
        return entries
    }

    private static func known(_ keys: [String]) -> String { "known keys are \(keys.joined(separator: ", "))" }

    private static func firstInvalid(in data: Data) -> SourcePosition {
        var position = SourcePosition(line: 1, column: 1)
        var bytes = data.makeIterator()
        var decoder = UTF8()
        while case .scalarValue(let scalar) = decoder.decode(&bytes) {
            position =
                scalar == "\n"
                ? .init(line: position.line + 1, column: 1) : .init(line: position.line, column: position.column + 1)
        }
        return position
    }
}

extension YAMLNode {
    /// A word for what was found where something else was needed.
    var kindForPeople: String {
        switch content {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .scalar: json?.kindForPeople ?? "a number that does not fit"
        }
    }
}

extension StrictYAML {
    /// Reports a word that is none of those allowed, with the nearest as the hint.
    public func unknownChoice(_ text: String, _ what: String, _ choices: [String], at position: SourcePosition) {
        let hint = Spelling.nearest(text, among: choices).map { "did you mean '\($0)'?" }
        report(
            "\(what) is '\(text.prefix(80))'", hint: hint ?? "one of \(choices.joined(separator: ", "))", at: position)
    }
}
