import FlowForgeProtocol

/// Reads the JSON of DuckDB's `json_serialize_sql`.
extension JSONValue {
    var nodeType: String { self["type"]?.string ?? "" }
    /// An expression's class, e.g. `COLUMN_REF`.
    var nodeClass: String { self["class"]?.string ?? "" }
    var alias: String { self["alias"]?.string ?? "" }
    var functionName: String { self["function_name"]?.string?.lowercased() ?? "" }

    /// The members of an array member; none where it is missing.
    func list(_ key: String) -> [JSONValue] { self[key]?.array ?? [] }
    func strings(_ key: String) -> [String] { list(key).compactMap(\.string) }

    /// A member unless it is missing or null.
    func node(_ key: String) -> JSONValue? {
        guard let value = self[key], value != .null else { return nil }
        return value
    }

    /// The `{"node": …}` of a subquery or CTE.
    func query(_ key: String) -> JSONValue? { node(key)?.node("node") }

    /// The text of a constant.
    var constantText: String? { self["value"]?["value"]?.string }
    /// The number of an integer constant, as in `ORDER BY 2`.
    var constantInteger: Int? {
        guard nodeClass == "CONSTANT" else { return nil }
        return self["value"]?["value"]?.integer.flatMap { Int(exactly: $0) }
    }

    /// The parts of an expression, whatever its class.
    var subexpressions: [JSONValue] {
        guard let members = object else { return [] }
        return members.sorted { $0.key < $1.key }.flatMap { key, value -> [JSONValue] in
            switch value {
            case .object(let inner):
                if inner["class"] != nil { return [value] }
                return key == "order_bys" ? value.list("orders").compactMap { $0.node("expression") } : []
            case .array(let items): return items.flatMap(\.expressionsInside)
            default: return []
            }
        }
    }

    /// An array's item may be an expression, or hold some (the checks of a CASE, the orders of a window).
    private var expressionsInside: [JSONValue] {
        guard case .object(let members) = self else { return [] }
        if members["class"] != nil { return [self] }
        return members.sorted { $0.key < $1.key }.map(\.value).filter { $0.object?["class"] != nil }
    }

    /// The expression as DuckDB names a column without alias, for the simple forms.
    var printed: String {
        switch nodeClass {
        case "COLUMN_REF": return strings("column_names").joined(separator: ".")
        case "CONSTANT":
            let value = self["value"]?["value"]
            return value?.string.map { "'\($0)'" } ?? value?.integer.map(String.init) ?? ""
        case "FUNCTION", "WINDOW":
            let arguments = list("children").map(\.printed).joined(separator: ", ")
            if self["is_operator"]?.bool == true, list("children").count == 2 {
                return "(\(list("children")[0].printed) \(functionName) \(list("children")[1].printed))"
            }
            return functionName == "count_star"
                ? "count_star()" : "\(functionName)(\(self["distinct"]?.bool == true ? "DISTINCT " : "")\(arguments))"
        default: return ""
        }
    }

    /// The name of a select list's column.
    var columnName: String {
        if !alias.isEmpty { return alias }
        return nodeClass == "COLUMN_REF" ? strings("column_names").last ?? "" : printed
    }
}
