public import FlowForgeProtocol

/// `flowforge.lock`: the columns of what a bundle writes and where they come from, as the engine said
/// when `flowforge bundle lock` asked it. It is a file of the bundle like others, so the bundle's digest
/// covers it; whoever reads the bundle needs no engine.
///
/// The columns are those of a table's first load. One that is loaded by `append`, `merge`, `scd2` or
/// `partition-overwrite` keeps the columns that it has besides.
public struct BundleLock: Hashable, Sendable, Codable {
    /// Beside `flowforge.yaml`.
    public static let fileName = "flowforge.lock"
    /// The newest form of the file, and the only one so far.
    public static let newestFormat = 1

    public var format: Int
    public var engine: Engine
    /// Every table that a task of the bundle writes, by name.
    public var assets: [LockedAsset]
    /// The manifest's external inputs whose columns are known, by name.
    public var externals: [LockedExternal]

    /// Sorts what has no order of its own.
    public init(engine: Engine, assets: [LockedAsset], externals: [LockedExternal] = []) {
        format = Self.newestFormat
        self.engine = engine
        self.assets = assets.sorted { $0.asset < $1.asset }
        self.externals = externals.sorted { $0.asset < $1.asset }
    }

    /// Who was asked. For people: a lock that another version wrote is no other lock.
    public struct Engine: Hashable, Sendable, Codable {
        public var name: String
        public var version: String

        public init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }

    /// Looks through all of them: index what is asked often.
    public func asset(_ name: AssetName) -> LockedAsset? { assets.first { $0.asset == name } }

    /// The columns of a table that the bundle writes or reads; `nil` where they are not known.
    public func columns(of name: AssetName) -> [LockedColumn]? {
        if let asset = asset(name) { return asset.isKnown ? asset.columns : nil }
        return externals.first { $0.asset == name }?.columns
    }
}

public struct LockedAsset: Hashable, Sendable, Codable {
    public var asset: AssetName
    /// `sha256:…` over all that the columns and the lineage follow from; see ``LockOrigin``.
    public var of: String
    /// In the table's order. Empty: not known, as nobody can say what a program writes.
    public var columns: [LockedColumn]
    /// Each once, sorted.
    public var lineage: [LockedLineage]

    /// Sorts the lineage.
    public init(asset: AssetName, of: String, columns: [LockedColumn], lineage: [LockedLineage] = []) {
        self.asset = asset
        self.of = of
        self.columns = columns
        self.lineage = Set(lineage).sorted()
    }

    public var isKnown: Bool { !columns.isEmpty }
}

/// A table that another bundle writes, as this one takes it to be.
public struct LockedExternal: Hashable, Sendable, Codable {
    public var asset: AssetName
    /// In the table's order; never empty.
    public var columns: [LockedColumn]

    public init(asset: AssetName, columns: [LockedColumn]) {
        self.asset = asset
        self.columns = columns
    }
}

public struct LockedColumn: Hashable, Sendable, Codable {
    public var name: String
    /// The engine's own name of the type as readers find it, e.g. `TIMESTAMP WITH TIME ZONE`.
    public var type: String
    /// `false`: no published row has a null, as the source, the load or a check sees to it. Absent: not known.
    public var nullable: Bool?
    /// From the table's data contract, e.g. `confidential`.
    public var classification: String?

    public init(name: String, type: String, nullable: Bool? = nil, classification: String? = nil) {
        self.name = name
        self.type = type
        self.nullable = nullable
        self.classification = classification
    }
}

/// One step from an input column to a column, in the words of OpenLineage.
public struct LockedLineage: Hashable, Sendable, Codable {
    /// Of the table. `""`: all of its rows, as a filter or a join key decides which there are.
    public var column: String
    /// The name of an asset, or a source's path as the manifest gives it.
    public var from: String
    public var kind: Kind
    public var fromColumn: String
    public var type: Effect
    /// e.g. `IDENTITY`, `AGGREGATION`, `FILTER`.
    public var subtype: ColumnLineageKind

    /// `type` follows from the others: what acts on all rows is indirect whatever was done with it.
    public init(column: String, from: String, kind: Kind, fromColumn: String, subtype: ColumnLineageKind) {
        self.column = column
        self.from = from
        self.kind = kind
        self.fromColumn = fromColumn
        self.subtype = subtype
        type = subtype.isDirect && !column.isEmpty ? .direct : .indirect
    }

    public enum Kind: String, Sendable, Codable, CaseIterable { case asset, source }

    public enum Effect: String, Sendable, Codable, CaseIterable {
        case direct = "DIRECT"
        case indirect = "INDIRECT"
    }
}

extension LockedLineage: Comparable {
    public static func < (left: Self, right: Self) -> Bool { left.sortKey.lexicographicallyPrecedes(right.sortKey) }

    /// By bytes, in which no two texts are the same that are not.
    private var sortKey: [UInt8] {
        Array([column, kind.rawValue, from, fromColumn, type.rawValue, subtype.rawValue].joined(separator: "\0").utf8)
    }
}
