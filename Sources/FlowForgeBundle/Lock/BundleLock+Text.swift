internal import FlowForgeProtocol
public import Foundation

extension BundleLock {
    /// The one text of this lock: one column or edge a line, so that a diff of two versions reads as
    /// what changed.
    public var text: Data {
        var lines = ["{", "  \"format\": \(format),", "  \"engine\": \(Self.json(engine)),"]
        lines += Self.list("assets", assets.map(Self.lines), indent: "  ", comma: true)
        lines += Self.list("externals", externals.map(Self.lines), indent: "  ", comma: false)
        lines += ["}", ""]
        return Data(lines.joined(separator: "\n").utf8)
    }

    private static func lines(_ asset: LockedAsset) -> [String] {
        ["{", "  \"asset\": \(json(asset.asset)),", "  \"of\": \(json(asset.of)),"]
            + list("columns", asset.columns.map { [json($0)] }, indent: "  ", comma: true)
            + list("lineage", asset.lineage.map { [json($0)] }, indent: "  ", comma: false) + ["}"]
    }

    private static func lines(_ external: LockedExternal) -> [String] {
        ["{", "  \"asset\": \(json(external.asset)),"]
            + list("columns", external.columns.map { [json($0)] }, indent: "  ", comma: false) + ["}"]
    }

    private static func list(_ key: String, _ items: [[String]], indent: String, comma: Bool) -> [String] {
        let end = comma ? "," : ""
        guard !items.isEmpty else { return ["\(indent)\"\(key)\": []\(end)"] }
        var lines = ["\(indent)\"\(key)\": ["]
        for (number, item) in items.enumerated() {
            lines += item.map { "\(indent)  \($0)" }
            if number + 1 < items.count { lines[lines.count - 1] += "," }
        }
        return lines + ["\(indent)]\(end)"]
    }

    private static func json(_ value: some Encodable) -> String {
        guard let bytes = try? WireCoding.encode(value) else { preconditionFailure("a part of a lock is JSON") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
