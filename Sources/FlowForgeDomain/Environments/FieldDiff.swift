public import FlowForgeProtocol

/// What differs between two JSON values, field by field.
public enum FieldDiff {
    /// Objects are looked into; lists of objects that have a `name` are compared by name, others as a whole.
    /// Sorted by field.
    public static func changes(from old: JSONValue, to new: JSONValue) -> [OperatorAPI.FieldChange] {
        var changes: [OperatorAPI.FieldChange] = []
        collect(old, new, "", &changes)
        return changes
    }

    private static func collect(
        _ old: JSONValue?, _ new: JSONValue?, _ path: String, _ changes: inout [OperatorAPI.FieldChange]
    ) {
        guard old != new else { return }
        if let before = members(old), let after = members(new) {
            for key in Set(before.keys).union(after.keys).sorted() {
                collect(before[key], after[key], path.isEmpty ? key : "\(path).\(key)", &changes)
            }
        } else {
            changes.append(.init(field: path, before: old, after: new))
        }
    }

    private static func members(_ value: JSONValue?) -> [String: JSONValue]? {
        if let members = value?.object { return members }
        guard let items = value?.array else { return nil }
        var named: [String: JSONValue] = [:]
        for item in items {
            guard let name = item["name"]?.string ?? item["environment"]?.string, named.updateValue(item, forKey: name) == nil
            else { return nil }
        }
        return named
    }
}

extension JSONValue {
    /// The JSON that `value` is encoded as.
    public init(encoding value: some Encodable) throws {
        self = try WireCoding.decode(JSONValue.self, from: WireCoding.encode(value))
    }

    public func decoded<Value: Decodable>(as type: Value.Type) throws -> Value {
        try WireCoding.decode(type, from: WireCoding.encode(self))
    }
}
