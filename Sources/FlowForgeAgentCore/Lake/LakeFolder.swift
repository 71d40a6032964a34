public import FlowForgeProtocol
public import Foundation

/// The lake on this machine: `<root>/<environment>/<layer>/<table>/…`, where each layer may have a root of its own.
public struct LakeFolder: Hashable, Sendable {
    public let root: URL
    /// Others that environments may name.
    public let roots: [String: URL]
    private var layers: [Layer: URL] = [:]

    public init(root: URL, roots: [String: URL] = [:]) {
        self.root = root
        self.roots = roots
    }

    /// As an environment wants it that names roots by layer. Throws `TaskError` `unknown_root` for one that this
    /// agent does not have.
    func following(_ storage: [String: String]?) throws -> LakeFolder {
        var lake = self
        for (layer, name) in storage ?? [:] {
            guard let layer = Layer(rawValue: layer), let url = roots[name] else {
                throw TaskError(
                    code: "unknown_root", message: "this agent's lake has no root '\(name.prefix(80))' for \(layer.prefix(80))",
                    hint: "name it under lake.roots in the agent's configuration, on every agent of the pool")
            }
            lake.layers[layer] = url
        }
        return lake
    }

    /// `environment` must be a plain name (``isPlainName(_:dashes:)``); the caller has checked it.
    public func asset(_ name: AssetName, environment: String) -> URL {
        (layers[name.layer] ?? root).appending(path: environment).appending(path: name.layer.rawValue)
            .appending(path: name.table)
    }

    /// Throws `TaskError` `invalid_snapshot` for a reference that leads out of its asset's folder.
    public func snapshot(_ snapshot: SnapshotReference, of name: AssetName, environment: String) throws -> URL {
        let home = snapshot.home ?? environment
        guard isPlainName(home), Self.isInside(snapshot.location) else {
            throw TaskError(
                code: "invalid_snapshot", message: "the reference to a snapshot of \(name) leads out of its folder",
                hint: "agent and control plane may not fit; compare versions")
        }
        return asset(name, environment: home).appending(path: snapshot.location)
    }

    /// The snapshot's folder as seen from the asset's own: what `current` and `current.json` say.
    func relativeLocation(of snapshot: SnapshotReference, of name: AssetName, environment: String) -> String {
        guard let home = snapshot.home, home != environment else { return snapshot.location }
        return "../../../\(home)/\(name.layer.rawValue)/\(name.table)/\(snapshot.location)"
    }

    private static func isInside(_ location: String) -> Bool {
        !location.utf8.contains(0)
            && location.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !["", ".", ".."].contains($0) }
    }
}
