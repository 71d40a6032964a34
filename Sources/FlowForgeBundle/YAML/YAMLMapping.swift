internal import FlowForgeProtocol

/// A mapping whose values are read by type. A value of the wrong type is reported and read as absent.
public struct YAMLMapping {
    public let reader: StrictYAML
    /// Names the mapping in messages.
    public let what: String
    public let position: SourcePosition
    public let entries: [YAMLEntry]

    public subscript(key: String) -> YAMLNode? { entries.first { $0.key == key }?.value }

    /// Where the value of the key stands, or the mapping where it is absent.
    public func position(of key: String) -> SourcePosition { self[key]?.position ?? position }

    /// The value, reporting an absent one if it is `required`, and one left empty always.
    public func value(_ key: String, required: Bool = false) -> YAMLNode? {
        guard let node = self[key] else {
            if required { reader.report("\(what) has no '\(key)'", hint: "add it", at: position) }
            return nil
        }
        if node.isNull {
            reader.report("'\(key)' of \(what) is empty", hint: "give it a value or remove the key", at: node.position)
            return nil
        }
        return node
    }

    public func text(_ key: String, required: Bool = false) -> String? {
        value(key, required: required).flatMap { reader.text($0, "'\(key)' of \(what)") }
    }

    public func boolean(_ key: String) -> Bool? {
        guard let node = value(key) else { return nil }
        if let flag = node.json?.bool { return flag }
        reader.wrongType(node, "'\(key)' of \(what)", "true or false")
        return nil
    }

    public func integer(_ key: String, in range: ClosedRange<Int64>, required: Bool = false) -> Int64? {
        // 2.0 is an integer to JSON Schema, and so it is here.
        ranged(key, range, required, "an integer") { $0.integer }
    }

    /// With or without a fraction.
    public func number(_ key: String, in range: ClosedRange<Double>) -> Double? {
        ranged(key, range, false, "a number") { $0.number }
    }

    private func ranged<Value: Comparable>(
        _ key: String, _ range: ClosedRange<Value>, _ required: Bool, _ form: String, _ read: (JSONValue) -> Value?
    ) -> Value? {
        guard let node = value(key, required: required) else { return nil }
        guard let number = node.json.flatMap(read) else {
            reader.wrongType(node, "'\(key)' of \(what)", form)
            return nil
        }
        guard range.contains(number) else {
            reader.report(
                "'\(key)' of \(what) is \(number)", hint: "from \(range.lowerBound) to \(range.upperBound) is allowed",
                at: node.position)
            return nil
        }
        return number
    }

    /// Seconds, from text such as `1h30m`; `range` is in seconds too.
    public func duration(_ key: String, in range: ClosedRange<Double>, required: Bool = false) -> Double? {
        quantity(key, range, required, Quantity.seconds, "a duration such as 45s, 10m, 1h30m or 1d", Quantity.duration)
    }

    /// Bytes, from text such as `512MiB`; `range` is in bytes too.
    public func size(_ key: String, in range: ClosedRange<Int64>, required: Bool = false) -> Int64? {
        quantity(key, range, required, Quantity.bytes, "a size such as 512MiB or 2GiB", Quantity.size)
    }

    /// One of the values of an enumeration but `unknown`.
    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, _ type: Choice.Type, required: Bool = false
    ) -> Choice? where Choice.RawValue == String {
        guard let node = value(key, required: required), let text = reader.text(node, "'\(key)' of \(what)") else {
            return nil
        }
        let choices = Choice.allCases.map(\.rawValue).filter { $0 != "unknown" }
        guard choices.contains(text), let choice = Choice(rawValue: text) else {
            reader.unknownChoice(text, "'\(key)' of \(what)", choices, at: node.position)
            return nil
        }
        return choice
    }

    /// A list of texts, each with its place. One text alone is a list of one if `single`.
    public func texts(_ key: String, single: Bool = false, required: Bool = false) -> [(text: String, position: SourcePosition)]?
    {
        guard let node = value(key, required: required) else { return nil }
        if single, case .scalar = node.content {
            return reader.text(node, "'\(key)' of \(what)").map { [($0, node.position)] }
        }
        return list(key)?.compactMap { item in
            reader.text(item, "an item of '\(key)' of \(what)").map { ($0, item.position) }
        }
    }

    public func list(_ key: String, required: Bool = false) -> [YAMLNode]? {
        guard let node = value(key, required: required) else { return nil }
        guard case .sequence(let items) = node.content else {
            reader.wrongType(node, "'\(key)' of \(what)", "a list")
            return nil
        }
        return items
    }

    public func mapping(_ key: String, keys: [String], required: Bool = false) -> YAMLMapping? {
        value(key, required: required).flatMap { reader.mapping($0, keys: keys, of: "'\(key)' of \(what)") }
    }

    /// The entries of a mapping whose keys are names that the author chose.
    public func names(_ key: String, required: Bool = false) -> [YAMLEntry] {
        value(key, required: required).map { reader.names($0, of: "'\(key)' of \(what)") } ?? []
    }

    private func quantity<Value: Comparable>(
        _ key: String, _ range: ClosedRange<Value>, _ required: Bool, _ parse: (String) -> Value?, _ form: String,
        _ show: (Value) -> String
    ) -> Value? {
        guard let node = value(key, required: required) else { return nil }
        guard let text = node.json?.string, let quantity = parse(text) else {
            reader.wrongType(node, "'\(key)' of \(what)", form)
            return nil
        }
        guard range.contains(quantity) else {
            reader.report(
                "'\(key)' of \(what) is \(text)",
                hint: "from \(show(range.lowerBound)) to \(show(range.upperBound)) is allowed", at: node.position)
            return nil
        }
        return quantity
    }
}

extension StrictYAML {
    /// `node` as text; a plain `5` or `no value` is none, and the hint says to quote it.
    public func text(_ node: YAMLNode, _ what: String) -> String? {
        if case .scalar(let text, let isPlain) = node.content {
            if node.json?.string != nil { return text }
            report(
                "\(what) must be text, not \(node.kindForPeople)",
                hint: isPlain && !text.isEmpty ? "put it in quotes: \"\(text.prefix(40))\"" : "write \"\" for an empty text",
                at: node.position)
        } else {
            report("\(what) must be text, not \(node.kindForPeople)", at: node.position)
        }
        return nil
    }

    /// Reports a value of another type than `form` says.
    public func wrongType(_ node: YAMLNode, _ what: String, _ form: String) {
        let found: String
        if case .scalar(let text, _) = node.content, node.json?.string != nil {
            found = "'\(text.prefix(40))'"
        } else {
            found = node.kindForPeople
        }
        report("\(what) must be \(form), not \(found)", at: node.position)
    }
}
