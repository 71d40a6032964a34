internal import Yams

/// From text to ``YAMLNode``, by way of Yams.
///
/// Yams has traps of its own: it expands aliases (a bomb explodes while it looks for duplicate keys),
/// and it gives up at the first duplicate key. Both are met here.
struct YAMLComposer {
    let reader: StrictYAML
    /// Duplicate keys repaired in one file before giving up; each costs one more reading.
    private static let mostRepairs = 20

    func compose(_ text: String) -> YAMLNode? {
        if let alias = Self.usableAlias(in: text) {
            reader.report(
                "the alias '*\(alias.name)' refers to an anchor",
                hint: "anchors and aliases are not allowed; write the value out",
                at: alias.position)
            return nil
        }
        var text = text
        // Keys hidden from Yams because the same key comes again, by where they stand.
        var hidden: [SourcePosition: String] = [:]
        while true {
            do {
                // Nodes hold their anchors weakly, so the parser must outlive the conversion.
                let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
                guard let root = try parser.singleRoot() else {
                    reader.report("the file is empty", hint: "see docs/ for an example")
                    return nil
                }
                return withExtendedLifetime(parser) { convert(root, depth: 0, hidden: hidden) }
            } catch YamlError.duplicatedKeysInMapping(_, let context) where hidden.count < Self.mostRepairs {
                let position = SourcePosition(line: context.mark.line, column: context.mark.column)
                guard let repaired = Self.hide(position, in: text) else {
                    reader.report("a key is given twice", hint: "keep one of them", at: position)
                    return nil
                }
                (text, hidden[position]) = repaired
            } catch {
                report(error, in: text)
                return nil
            }
        }
    }

    private func convert(_ node: Node, depth: Int, hidden: [SourcePosition: String]) -> YAMLNode? {
        let position = SourcePosition(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
        if let anchor = node.anchor {
            reader.report(
                "the anchor '&\(anchor)' is not allowed", hint: "anchors and aliases are not read; remove it", at: position)
        }
        guard depth <= StrictYAML.deepest else {
            reader.report("more than \(StrictYAML.deepest) levels deep", hint: "nothing that is read nests so far", at: position)
            return nil
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain
            if isPlain, scalar.tag != .implicit { reportTag(position) }
            return YAMLNode(.scalar(scalar.string, isPlain: isPlain), at: position)
        case .sequence(let sequence):
            if sequence.tag != .implicit { reportTag(position) }
            return YAMLNode(.sequence(sequence.compactMap { convert($0, depth: depth + 1, hidden: hidden) }), at: position)
        case .mapping(let mapping):
            if mapping.tag != .implicit { reportTag(position) }
            return YAMLNode(.mapping(entries(mapping, depth: depth, hidden: hidden)), at: position)
        case .alias:
            return nil
        }
    }

    private func entries(_ mapping: Node.Mapping, depth: Int, hidden: [SourcePosition: String]) -> [YAMLEntry] {
        var entries: [YAMLEntry] = []
        var first: [String: SourcePosition] = [:]
        for (key, value) in mapping {
            let position = SourcePosition(line: key.mark?.line ?? 1, column: key.mark?.column ?? 1)
            guard case .scalar(let scalar) = key else {
                reader.report("a key must be text", hint: "remove the brackets or the '?'", at: position)
                continue
            }
            let name = hidden[position] ?? scalar.string
            if name == "<<" {
                reader.report("merge keys ('<<') are not allowed", hint: "write the keys out", at: position)
                continue
            }
            if let earlier = first[name] {
                reader.report(
                    "the key '\(name.prefix(80))' is given twice",
                    hint: "it is already at line \(earlier.line); keep one of them",
                    at: position)
                continue
            }
            first[name] = position
            if let value = convert(value, depth: depth + 1, hidden: hidden) {
                entries.append(YAMLEntry(key: name, position: position, value: value))
            }
        }
        return entries
    }

    private func reportTag(_ position: SourcePosition) {
        reader.report("tags ('!…') are not allowed", hint: "remove the tag; quote what must be text", at: position)
    }

    private func report(_ error: any Error, in text: String) {
        switch error {
        case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _):
            reader.report(
                "not YAML: \(problem)", hint: "look at the indentation and quotes here and one line above",
                at: .init(line: mark.line, column: mark.column))
        case YamlError.composer(_, let problem, let mark, _):
            let position = SourcePosition(line: mark.line, column: mark.column)
            if problem.contains("another document") {
                reader.report("a second document starts here", hint: "a file holds one; remove the '---'", at: position)
            } else {
                reader.report(problem, hint: "anchors and aliases are not allowed; write the value out", at: position)
            }
        case YamlError.reader(let problem, let offset, _, _):
            let before = offset.map { String(decoding: text.utf8.prefix($0), as: UTF8.self) }
            let lines = before?.split(separator: "\n", omittingEmptySubsequences: false)
            let position = lines.map { SourcePosition(line: $0.count, column: ($0.last?.unicodeScalars.count ?? 0) + 1) }
            reader.report("not YAML: \(problem)", hint: "remove the control character", at: position)
        case YamlError.duplicatedKeysInMapping(let duplicates, let context):
            reader.report(
                "the key '\(duplicates.first ?? "")' is given twice, and so are others", hint: "keep one of them",
                at: .init(line: context.mark.line, column: context.mark.column))
        default:
            reader.report("not YAML: \(error)")
        }
    }
}

extension YAMLComposer {
    /// An alias whose anchor is in the file too, found by reading words, not YAML: everything that could
    /// be one is taken for one, since Yams must not see a bomb. That refuses a text that has both
    /// `&name` and `*name` with another meaning, for which the hint is good as well.
    static func usableAlias(in text: String) -> (name: String, position: SourcePosition)? {
        guard text.utf8.contains(UInt8(ascii: "&")), text.utf8.contains(UInt8(ascii: "*")) else { return nil }
        var anchors: Set<Substring> = []
        var aliases: [(name: Substring, at: String.Index)] = []
        var index = text.startIndex
        let bytes = text.utf8
        while let mark = bytes[index...].firstIndex(where: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "*") }) {
            index = bytes.index(after: mark)
            let end = bytes[index...].firstIndex { !isNameByte($0) } ?? bytes.endIndex
            let name = text[index..<end]
            if name.isEmpty { continue }
            if bytes[mark] == UInt8(ascii: "&") { anchors.insert(name) } else { aliases.append((name, mark)) }
        }
        guard let alias = aliases.first(where: { anchors.contains($0.name) }) else { return nil }
        let lines = text[..<alias.at].split(separator: "\n", omittingEmptySubsequences: false)
        return (
            String(alias.name), SourcePosition(line: lines.count, column: (lines.last?.unicodeScalars.count ?? 0) + 1)
        )
    }

    /// libyaml's `IS_ALPHA`.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Makes the key at `position` another one, for Yams, by changing its first letter into one of the
    /// private use area: nothing else of the file moves. `nil` where the key is empty or looks odd.
    static func hide(_ position: SourcePosition, in text: String) -> (text: String, key: String)? {
        var scalars = Array(text.unicodeScalars)
        var line = 1
        guard
            var index = position.line == 1
                ? 0
                : scalars.indices.first(where: { at in
                    if scalars[at] == "\n" { line += 1 }
                    return scalars[at] == "\n" && line == position.line
                }).map({ $0 + 1 })
        else { return nil }
        index += position.column - 1
        guard index < scalars.count else { return nil }
        let quote = scalars[index] == "'" || scalars[index] == "\"" ? scalars[index] : nil
        if quote != nil { index += 1 }
        var end = index
        while end < scalars.count, scalars[end] != "\n", quote != nil ? scalars[end] != quote : scalars[end] != ":" { end += 1 }
        guard index < end, !(0xE000...0xF8FF).contains(scalars[index].value), scalars[index] != "\\" else { return nil }
        var key = String.UnicodeScalarView()
        key.append(contentsOf: scalars[index..<end])
        // Different replacements keep three equal keys apart.
        guard let replacement = Unicode.Scalar(0xE000 + UInt32(index % 6400)) else { return nil }
        scalars[index] = replacement
        var changed = String.UnicodeScalarView()
        changed.append(contentsOf: scalars)
        let name = String(key).trimmingSuffix(" ")
        return (String(changed), name)
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        var text = self
        while text.last == character { text.removeLast() }
        return text
    }
}
