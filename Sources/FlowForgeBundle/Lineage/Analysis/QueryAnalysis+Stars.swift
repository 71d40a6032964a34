import FlowForgeProtocol
import Foundation

extension QueryAnalysis {
    /// The columns that one item of a select list gives: several where it holds a star.
    func expand(_ item: JSONValue, _ scope: Scope) -> [Relation.Column] {
        if item.nodeClass == "STAR" { return matches(item, scope) }
        if let filtered = starFilter(item, scope) { return filtered }
        guard let star = star(in: item) else {
            return [.init(name: item.columnName, influences: influences(of: item, scope))]
        }
        // e.g. max(COLUMNS('a|b')): one column for each match.
        return matches(star, scope).map { column in
            let inside = Scope(outer: scope)
            let place = "ff star"
            inside.from = FromClause(.init(name: "", schema: nil, columns: [.init(name: place, influences: column.influences)]))
            let body = item.replacing(star, with: .object(["class": "COLUMN_REF", "column_names": [.string(place)]]))
            return .init(name: item.alias.isEmpty ? column.name : item.alias, influences: influences(of: body, inside))
        }
    }

    /// The columns that `*`, `t.*` or COLUMNS(…) stands for, after EXCLUDE, REPLACE and RENAME.
    func matches(_ star: JSONValue, _ scope: Scope) -> [Relation.Column] {
        let relation = (star["relation_name"]?.string ?? "").lowercased()
        var columns = relation.isEmpty ? scope.from.star : scope.from.items.first { $0.name == relation }?.columns ?? []
        var excluded = Set(star.strings("exclude_list").map { $0.lowercased() })
        excluded.formUnion(star.list("qualified_exclude_list").compactMap { $0["column"]?.string?.lowercased() })
        columns.removeAll { excluded.contains($0.name.lowercased()) }
        for entry in star.list("replace_list") {
            guard let name = entry["key"]?.string?.lowercased(), let value = entry.node("value"),
                let index = columns.firstIndex(where: { $0.name.lowercased() == name })
            else { continue }
            columns[index].influences = influences(of: value, scope)
        }
        for entry in star.list("rename_list") {
            guard let name = (entry["key"]?["column"]?.string ?? entry["key"]?.string)?.lowercased(),
                let new = entry["value"]?.string,
                let index = columns.firstIndex(where: { $0.name.lowercased() == name })
            else { continue }
            columns[index].name = new
        }
        return star.node("expr").map { choose(columns, by: $0) } ?? columns
    }

    /// COLUMNS('regex'), COLUMNS(['a', 'b']) and COLUMNS(c -> …) with a pattern on the name.
    private func choose(_ columns: [Relation.Column], by selector: JSONValue) -> [Relation.Column] {
        if let pattern = selector.constantText {
            guard let regex = try? Regex(pattern) else { return columns }
            return columns.filter { $0.name.contains(regex) }
        }
        if selector.functionName == "list_value" {
            let names = selector.list("children").compactMap { $0.constantText?.lowercased() }
            return names.flatMap { name in columns.filter { $0.name.lowercased() == name } }
        }
        if selector.functionName == "list_filter", let body = selector.list("children").last?.node("expr"),
            let test = nameTest(body)
        {
            return columns.filter { test($0.name) }
        }
        return columns
    }

    /// `* LIKE 'x%'` and its kin, which DuckDB keeps as a function of a star.
    private func starFilter(_ item: JSONValue, _ scope: Scope) -> [Relation.Column]? {
        guard item.nodeClass == "FUNCTION", let star = item.list("children").first, star.nodeClass == "STAR",
            star["columns"]?.bool != true, let test = nameTest(item)
        else { return nil }
        return matches(star, scope).filter { test($0.name) }
    }

    /// LIKE, ILIKE and their opposites.
    private func nameTest(_ expression: JSONValue) -> ((String) -> Bool)? {
        guard let pattern = expression.list("children").last?.constantText,
            ["~~", "!~~", "~~*", "!~~*"].contains(expression.functionName)
        else { return nil }
        let source = NSRegularExpression.escapedPattern(for: pattern).replacing("%", with: ".*").replacing("_", with: ".")
        guard var regex = try? Regex(source).dotMatchesNewlines() else { return nil }
        if expression.functionName.hasSuffix("*") { regex = regex.ignoresCase() }
        let (fixed, wanted) = (regex, !expression.functionName.hasPrefix("!"))
        return { ($0.wholeMatch(of: fixed) != nil) == wanted }
    }

    /// The COLUMNS(…) inside an expression.
    private func star(in expression: JSONValue) -> JSONValue? {
        if expression.nodeClass == "STAR", expression["columns"]?.bool == true { return expression }
        if expression.nodeClass == "SUBQUERY" { return nil }
        for part in expression.subexpressions {
            if let found = star(in: part) { return found }
        }
        return nil
    }
}

extension JSONValue {
    /// With every occurrence of a part replaced.
    fileprivate func replacing(_ part: JSONValue, with other: JSONValue) -> JSONValue {
        if self == part { return other }
        switch self {
        case .array(let items): return .array(items.map { $0.replacing(part, with: other) })
        case .object(let members): return .object(members.mapValues { $0.replacing(part, with: other) })
        default: return self
        }
    }
}
