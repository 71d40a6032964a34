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
            + list("columns", asset.columns.map { [line($0)] }, indent: "  ", comma: true)
            + list("lineage", asset.lineage.map { [line($0)] }, indent: "  ", comma: false) + ["}"]
    }

    private static func lines(_ external: LockedExternal) -> [String] {
        ["{", "  \"asset\": \(json(external.asset)),"]
            + list("columns", external.columns.map { [line($0)] }, indent: "  ", comma: false) + ["}"]
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

    // As ``WireCoding`` writes them, by hand: a lock has tens of thousands of these, and is written to be read.
    private static func line(_ column: LockedColumn) -> String {
        let classification = column.classification.map { "\"classification\":\(quoted($0))," } ?? ""
        let nullable = column.nullable.map { "\"nullable\":\($0)," } ?? ""
        return "{\(classification)\"name\":\(quoted(column.name)),\(nullable)\"type\":\(quoted(column.type))}"
    }

    private static func line(_ step: LockedLineage) -> String {
        "{\"column\":\(quoted(step.column)),\"from\":\(quoted(step.from)),\"fromColumn\":\(quoted(step.fromColumn)),"
            + "\"kind\":\"\(step.kind.rawValue)\",\"subtype\":\"\(step.subtype.rawValue)\",\"type\":\"\(step.type.rawValue)\"}"
    }

    /// What needs no escaping is most of it.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        return isPlain ? "\"\(text)\"" : json(text)
    }

    private static func json(_ value: some Encodable) -> String {
        guard let bytes = try? WireCoding.encode(value) else { preconditionFailure("a part of a lock is JSON") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
