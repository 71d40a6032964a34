public import FlowForgeProtocol
public import Foundation

/// The lake on this machine: `<root>/<environment>/<layer>/<table>/…`.
public struct LakeFolder: Hashable, Sendable {
    public let root: URL

    public init(root: URL) { self.root = root }

    /// `environment` must be a plain name (``isPlainName(_:dashes:)``); the caller has checked it.
    public func asset(_ name: AssetName, environment: String) -> URL {
        root.appending(path: environment).appending(path: name.layer.rawValue).appending(path: name.table)
    }

    public func snapshot(_ snapshot: SnapshotReference, of name: AssetName, environment: String) -> URL {
        asset(name, environment: environment).appending(path: snapshot.location)
    }
}
