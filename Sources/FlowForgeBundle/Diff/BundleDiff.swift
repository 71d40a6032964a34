public import FlowForgeDomain
public import FlowForgeProtocol

/// What another version of a bundle changes, by what the two say and do: comments, formatting and the
/// order of keys are no changes. `BundleDiff(b, a)` is `BundleDiff(a, b).mirrored`.
///
/// Columns are those of the bundles' locks. Without these it knows what the manifests declare: those of
/// sources, and none that a SELECT makes.
public struct BundleDiff: Hashable, Sendable, Codable {
    public var from: BundleReference
    public var to: BundleReference
    /// By subject, then by name.
    public var changes: [Change]

    public init(_ from: PackedBundle, _ to: PackedBundle) {
        (self.from, self.to) = (from.reference, to.reference)
        let same = BundleFacts.same(from, to)
        let before = BundleFacts(from, beside: to, leavingOut: same).items
        let after = BundleFacts(to, beside: from, leavingOut: same).items
        changes = Set(before.keys).union(after.keys).sorted().compactMap { item in
            Change(item, before: before[item], after: after[item])
        }
    }

    /// The gravest of its changes; `nil` where nothing changes.
    public var impact: Impact? { changes.map(\.impact).max() }

    public var mirrored: BundleDiff {
        var mirror = self
        (mirror.from, mirror.to) = (to, from)
        mirror.changes = changes.map(\.mirrored)
        return mirror
    }

    public enum Action: String, Sendable, Codable { case added, removed, changed }

    /// What a change is about, in the order in which changes are listed.
    public enum Subject: String, Sendable, Codable, CaseIterable {
        case bundle, parameter, variable, external, asset, column, check, flow, task, trigger, package, file
    }

    public struct Change: Hashable, Sendable, Codable {
        public var subject: Subject
        /// `bronze.orders.id` of a column, `daily.ingest` of a task of a flow.
        public var name: String
        public var action: Action
        public var impact: Impact
        /// What differs, by name; all of it of something that is added or removed.
        public var fields: [Field]
    }

    public struct Field: Hashable, Sendable, Codable {
        public var name: String
        /// Absent where there was nothing.
        public var before: JSONValue?
        public var after: JSONValue?
    }
}

extension BundleDiff.Change {
    /// `nil` when nothing differs.
    init?(_ item: BundleFacts.Item, before: [String: JSONValue]?, after: [String: JSONValue]?) {
        let (old, new) = (before ?? [:], after ?? [:])
        let fields = Set(old.keys).union(new.keys).sorted().compactMap { name in
            Self.isSame(old[name], new[name]) ? nil : BundleDiff.Field(name: name, before: old[name], after: new[name])
        }
        if before != nil, after != nil, fields.isEmpty { return nil }
        subject = item.subject
        name = item.name
        action = before == nil ? .added : after == nil ? .removed : .changed
        self.fields = fields
        impact = .metadata
        impact = judged
    }

    /// By their bytes: texts that Swift holds for the same may be composed of other characters.
    private static func isSame(_ one: JSONValue?, _ other: JSONValue?) -> Bool {
        guard one == other else { return false }
        return switch (one, other) {
        // Most fields are these, and a plan compares tens of thousands.
        case (.string(let text)?, .string(let same)?): text.utf8.elementsEqual(same.utf8)
        case (nil, _), (.null?, _), (.bool?, _), (.integer?, _): true
        default: (try? one.map(WireCoding.encode)) == (try? other.map(WireCoding.encode))
        }
    }

    var mirrored: Self {
        var mirror = self
        mirror.action =
            switch action {
            case .added: .removed
            case .removed: .added
            case .changed: .changed
            }
        mirror.fields = fields.map { BundleDiff.Field(name: $0.name, before: $0.after, after: $0.before) }
        mirror.impact = mirror.judged
        return mirror
    }

    private func field(_ name: String) -> BundleDiff.Field? { fields.first { $0.name == name } }

    private var judged: Impact {
        // A column of which no type is declared is one that is only described.
        if action == .changed || subject == .column,
            fields.allSatisfy({ ["description", "tags", "classification"].contains($0.name) })
        {
            return .metadata
        }
        switch (subject, action) {
        case (.asset, .added), (.column, .added), (.flow, .added): return .nonBreaking
        case (.asset, .removed), (.column, .removed), (.flow, .removed): return .breaking
        // Rows that were merged are replaced, or found under another key.
        case (.asset, .changed): return field("load") == nil ? .nonBreaking : .breaking
        case (.column, .changed): return breaksReaders ? .breaking : .nonBreaking
        case (.parameter, .removed), (.variable, .removed): return .breaking
        // Whoever gives no value gives none.
        case (.parameter, .added), (.variable, .added): return field("default") == nil ? .breaking : .nonBreaking
        case (.parameter, .changed), (.variable, .changed): return breaksCallers ? .breaking : .nonBreaking
        case (.bundle, _), (.external, _), (.check, _), (.flow, .changed), (.task, _), (.trigger, _), (.package, _),
            (.file, _):
            return .nonBreaking
        }
    }

    private var breaksReaders: Bool {
        if let required = field("required"), required.after != .bool(true) { return true }
        guard let type = field("type") else { return false }
        guard let before = type.before?.string, let after = type.after?.string else { return true }
        return !ColumnTypes.widens(before, to: after)
    }

    private var breaksCallers: Bool {
        if field("type") != nil { return true }
        guard let value = field("default") else { return false }
        return value.after == nil
    }
}

/// Which changes of a declared column's type lose nothing.
enum ColumnTypes {
    private static let wider: [String: Set<String>] = [
        "TINYINT": ["SMALLINT", "INTEGER", "BIGINT", "HUGEINT"], "SMALLINT": ["INTEGER", "BIGINT", "HUGEINT"],
        "INTEGER": ["BIGINT", "HUGEINT", "DOUBLE"], "BIGINT": ["HUGEINT"], "REAL": ["DOUBLE"],
        "FLOAT": ["DOUBLE"], "UTINYINT": ["USMALLINT", "UINTEGER", "UBIGINT", "SMALLINT", "INTEGER", "BIGINT"],
        "USMALLINT": ["UINTEGER", "UBIGINT", "INTEGER", "BIGINT"], "UINTEGER": ["UBIGINT", "BIGINT"],
    ]

    /// The most that a whole number of the type has.
    private static let digits = [
        "TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10, "UBIGINT": 20,
    ]

    /// A decimal is wider when it has no fewer digits on either side of the point.
    static func widens(_ before: String, to after: String) -> Bool {
        if let old = decimal(before), let new = decimal(after) {
            return new.scale >= old.scale && new.precision - new.scale >= old.precision - old.scale
        }
        if let digits = digits[before], let new = decimal(after) { return new.precision - new.scale >= digits }
        return wider[before]?.contains(after) ?? false
    }

    private static func decimal(_ type: String) -> (precision: Int, scale: Int)? {
        guard type.hasPrefix("DECIMAL("), type.hasSuffix(")") else { return nil }
        let numbers = type.dropFirst("DECIMAL(".count).dropLast().split(separator: ",").compactMap {
            Int($0.filter { $0 != " " })
        }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
    }
}
