internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import GRDB
internal import Synchronization

/// What was read of large documents, by digest or by an id of what never changes.
struct DigestCaches: Sendable {
    /// Each start of a run looks at one.
    let manifests = DigestCache<Manifest>()
    /// Plans ask again for those of what is deployed.
    let locks = DigestCache<BundleLock>()
    /// Each step of a promotion looks at its own.
    let plans = DigestCache<Plan>()
    /// What releases declared, by the release: plans ask for those of all that is deployed.
    let lineages = DigestCache<[OperatorAPI.LineageEdge]>()
}

final class DigestCache<Value: Sendable>: Sendable {
    private struct Kept: Sendable {
        var values: [String: Value] = [:]
        /// Of the values' texts.
        var bytes = 0
    }

    private let kept = Mutex(Kept())

    /// Of all texts together; full, it is emptied. In memory they take a few times as much.
    private static var most: Int { 32 << 20 }

    /// Reads the text with `read` unless the value is known; `nil` where there is no text.
    func value(_ digest: String, _ read: () throws -> String?, _ decode: (String) throws -> Value) throws -> Value? {
        if let known = kept.withLock({ $0.values[digest] }) { return known }
        guard let text = try read() else { return nil }
        let value = try decode(text)
        let bytes = text.utf8.count
        guard bytes <= Self.most else { return value }
        kept.withLock { kept in
            if kept.bytes + bytes > Self.most { kept = Kept() }
            if kept.values.updateValue(value, forKey: digest) == nil { kept.bytes += bytes }
        }
        return value
    }
}
