/// The medallion layer that an asset belongs to; also the first part of its name and of its folder.
public enum Layer: String, WireEnum {
    case bronze, silver, gold
    case unknown
}

/// The name of a table in the lake: `<layer>.<table>`, e.g. `silver.flights`. It is used as a folder
/// name and inside SQL, so a table is `[a-z][a-z0-9_]{0,62}` and nothing else.
public struct AssetName: Hashable, Sendable, Codable, CustomStringConvertible, LosslessStringConvertible, Comparable {
    public let layer: Layer
    public let table: String

    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let layer = Layer(rawValue: String(parts[0])), layer != .unknown,
            isPlainName(parts[1])
        else { return nil }
        self.layer = layer
        table = String(parts[1])
    }

    public var description: String { "\(layer.rawValue).\(table)" }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let name = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(80))' is not an asset name (bronze|silver|gold.<table>)")
        }
        self = name
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Whether `text` is a name that may stand in a path and in SQL unquoted: `[a-z][a-z0-9_]{0,62}`.
/// Environments, flows, tasks, parameters and tables are named so; bundles and pools may also use `-`.
public func isPlainName(_ text: some StringProtocol, dashes: Bool = false) -> Bool {
    let bytes = text.utf8
    guard let first = bytes.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first), bytes.count <= 63 else {
        return false
    }
    return bytes.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        case UInt8(ascii: "-"): dashes
        default: false
        }
    }
}

/// A published version of an asset: an immutable folder of Parquet files.
public struct SnapshotReference: Hashable, Sendable, Codable {
    public var id: ID<Snapshot>
    /// Grows by one with each publication of the asset in its environment; fences the pointer file.
    public var version: Int
    /// The folder, relative to the asset's folder in `home`, e.g. `snapshots/snp_…`.
    public var location: String
    /// The environment in whose part of the lake the folder lies; absent: that of the asset. Two
    /// environments that share a lake can so point at one snapshot, and nothing is copied. Always a
    /// plain name: decoding refuses any other.
    public var home: String?

    public init(id: ID<Snapshot>, version: Int, location: String, home: String? = nil) {
        self.id = id
        self.version = version
        self.location = location
        self.home = home
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(ID<Snapshot>.self, forKey: .id)
        version = try container.decode(Int.self, forKey: .version)
        location = try container.decode(String.self, forKey: .location)
        home = try container.decodeIfPresent(String.self, forKey: .home)
        guard home.map({ isPlainName($0) }) ?? true else {
            throw DecodingError.dataCorruptedError(
                forKey: .home, in: container, debugDescription: "a snapshot's home is the plain name of an environment")
        }
    }

    /// The same snapshot of an asset of environment `source` as `target` refers to it.
    public func moved(from source: String, to target: String) -> SnapshotReference {
        let home = home ?? source
        return SnapshotReference(id: id, version: version, location: location, home: home == target ? nil : home)
    }
}
