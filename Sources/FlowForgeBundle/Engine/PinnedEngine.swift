/// The engine that the SQL of bundles is written for: agents run no other version, and locks are written
/// with no other.
public enum PinnedEngine {
    public static let name = "duckdb"
    public static let version = "1.5.5"
}
