/// Why a bundle could not be made ready.
public enum CacheError: Error, CustomStringConvertible {
    /// What arrived is not what the digest names. `part` is the manifest, the config or the layer.
    case mismatch(part: String, digest: String)
    case invalid(digest: String, reason: String)
    case tooLarge(digest: String, bytes: Int64)
    /// Nobody signed it whom this machine's owner trusts.
    case untrusted(digest: String, reason: String)

    public var description: String {
        switch self {
        case .mismatch(let part, let digest): "the bundle's \(part) is not what its digest \(digest) names"
        case .invalid(let digest, let reason): "bundle \(digest): \(reason)"
        case .untrusted(_, let reason): "refused by this agent's own configuration: \(reason)"
        case .tooLarge(let digest, let bytes): "bundle \(digest): \(bytes) bytes are more than the cache may hold"
        }
    }
}
