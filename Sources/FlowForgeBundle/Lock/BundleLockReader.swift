internal import FlowForgeProtocol
public import Foundation

extension BundleLock {
    /// Reads `flowforge.lock`, strictly: it must be, byte for byte, what ``text`` writes. So a merge that
    /// took lines of both sides is found, and so is a key that is there twice.
    public init(reading bytes: Data) throws(Problems) {
        let lock = bytes.count <= BundleLimits.fileBytes ? try? WireCoding.decode(BundleLock.self, from: bytes) : nil
        if let lock, lock.text == bytes, BundleLockReader.isSound(lock) {
            self = lock
            return
        }
        var reader = BundleLockReader()
        reader.read(bytes)
        if reader.problems.isEmpty, let lock, lock.text != bytes { reader.compare(bytes, lock.text) }
        if reader.problems.isEmpty { reader.report("is no lock that this version can read") }
        throw Problems(reader.problems)
    }
}

/// Finds what is wrong with a lock that could not just be read.
struct BundleLockReader {
    private(set) var problems: [Problem] = []
    private static let hint = "write it anew with `flowforge bundle lock`"
    /// More would help nobody.
    private static let mostProblems = 50

    mutating func report(_ message: String, line: Int? = nil, hint: String = hint) {
        guard problems.count < Self.mostProblems else { return }
        problems.append(Problem(file: BundleLock.fileName, line: line, message: message, hint: hint))
    }

    mutating func read(_ bytes: Data) {
        guard bytes.count <= BundleLimits.fileBytes else {
            return report("is larger than \(BundleLimits.fileBytes >> 20) MiB", hint: "split the bundle")
        }
        guard let root = try? WireCoding.decode(JSONValue.self, from: bytes) else {
            return report(conflict(in: bytes) ?? "is not JSON, or is nested more deeply than a lock is")
        }
        let keys = ["format", "engine", "assets", "externals"]
        guard let members = object(root, "the lock", required: keys) else { return }
        guard let format = members["format"]?.integer else { return wrong("format", "a number") }
        guard format == Int64(BundleLock.newestFormat) else {
            return report(
                "'format' is \(format), and this version reads \(BundleLock.newestFormat)",
                hint: format > BundleLock.newestFormat ? "use a newer `flowforge`" : Self.hint)
        }
        if let engine = members["engine"], let parts = object(engine, "engine", required: ["name", "version"]) {
            for key in ["name", "version"] { _ = text(parts, key, "engine") }
        }
        named(members["assets"], "assets") { reader, item, what in
            guard let parts = reader.object(item, what, required: ["asset", "of", "columns", "lineage"]) else { return nil }
            let name = reader.assetName(parts, what)
            let place = name.map { "asset \($0)" } ?? what
            if let of = reader.text(parts, "of", place), !ContentDigest.isWellFormed(of) {
                reader.report("'of' of \(place) is no digest")
            }
            reader.columns(parts["columns"], of: place, mayBeEmpty: true)
            reader.lineage(parts["lineage"], of: place)
            return name
        }
        named(members["externals"], "externals") { reader, item, what in
            guard let parts = reader.object(item, what, required: ["asset", "columns"]) else { return nil }
            let name = reader.assetName(parts, what)
            reader.columns(parts["columns"], of: name.map { "external \($0)" } ?? what, mayBeEmpty: false)
            return name
        }
    }

    /// What decoding does not see to.
    static func isSound(_ lock: BundleLock) -> Bool {
        func isAscending(_ names: [AssetName]) -> Bool { zip(names, names.dropFirst()).allSatisfy { $0 < $1 } }
        return lock.format == BundleLock.newestFormat && isAscending(lock.assets.map(\.asset))
            && isAscending(lock.externals.map(\.asset))
            && lock.assets.allSatisfy { asset in
                ContentDigest.isWellFormed(asset.of) && areSound(asset.columns)
                    && zip(asset.lineage, asset.lineage.dropFirst()).allSatisfy { $0 < $1 }
                    && asset.lineage.allSatisfy { $0.isSound(among: asset.columns.isEmpty) }
            } && lock.externals.allSatisfy { !$0.columns.isEmpty && areSound($0.columns) }
    }

    private static func areSound(_ columns: [LockedColumn]) -> Bool {
        Set(columns.map { $0.name.lowercased() }).count == columns.count
            && columns.allSatisfy { !$0.name.isEmpty && !$0.type.isEmpty && $0.classification != "" }
    }

    mutating func compare(_ bytes: Data, _ canonical: Data) {
        let (found, wanted) = (bytes.split(separator: 10, omittingEmptySubsequences: false), canonical.split(separator: 10))
        let line = zip(found, wanted).enumerated().first { $1.0 != $1.1 }?.offset ?? wanted.count
        report("is not as `flowforge bundle lock` writes it, from this line on", line: line + 1)
    }

    private func conflict(in bytes: Data) -> String? {
        bytes.range(of: Data("<<<<<<< ".utf8)).map { _ in "has the marks of a merge that was left undecided" }
    }
}

extension LockedLineage {
    fileprivate func isSound(among isUnknown: Bool) -> Bool {
        !isUnknown && !fromColumn.isEmpty && !from.isEmpty && type == (subtype.isDirect && !column.isEmpty ? .direct : .indirect)
            && (kind == .source || AssetName(from) != nil)
    }
}

extension BundleLockReader {
    private mutating func wrong(_ what: String, _ form: String) { report("'\(what)' is not \(form)") }

    private mutating func object(
        _ value: JSONValue, _ what: String, required: [String], optional: [String] = []
    ) -> [String: JSONValue]? {
        guard let members = value.object else {
            report("\(what) is not an object")
            return nil
        }
        for key in members.keys.sorted() where !required.contains(key) && !optional.contains(key) {
            report("\(what) has an unknown key '\(key.prefix(80))'", hint: "use a newer `flowforge`, or \(Self.hint)")
        }
        for key in required where members[key] == nil { report("\(what) has no '\(key)'") }
        return members
    }

    @discardableResult
    private mutating func text(_ members: [String: JSONValue], _ key: String, _ what: String, mayBeEmpty: Bool = false) -> String?
    {
        guard let value = members[key] else { return nil }
        if let text = value.string, mayBeEmpty || !text.isEmpty { return text }
        report("'\(key)' of \(what) is not \(mayBeEmpty ? "text" : "text with something in it")")
        return nil
    }

    private mutating func assetName(_ members: [String: JSONValue], _ what: String) -> AssetName? {
        guard let text = text(members, "asset", what) else { return nil }
        if let name = AssetName(text) { return name }
        report("'asset' of \(what) is '\(text.prefix(80))', which is no name of an asset")
        return nil
    }

    private mutating func named(
        _ value: JSONValue?, _ key: String, read: (inout Self, JSONValue, String) -> AssetName?
    ) {
        guard let value else { return }
        guard let items = value.array else { return wrong(key, "a list") }
        var last: AssetName?
        for (index, item) in items.enumerated() {
            guard let name = read(&self, item, "\(key)[\(index)]") else { continue }
            if let last, last >= name { report("\(name) of '\(key)' is there twice, or not in order") }
            last = name
        }
    }

    private mutating func columns(_ value: JSONValue?, of place: String, mayBeEmpty: Bool) {
        guard let value else { return }
        guard let items = value.array else { return wrong("columns' of '\(place)", "a list") }
        if items.isEmpty, !mayBeEmpty { report("\(place) has no column") }
        var seen: Set<String> = []
        for (index, item) in items.enumerated() {
            let what = "column \(index + 1) of \(place)"
            guard let parts = object(item, what, required: ["name", "type"], optional: ["nullable", "classification"]) else {
                continue
            }
            if let name = text(parts, "name", what), !seen.insert(name.lowercased()).inserted {
                report("the column '\(name.prefix(80))' of \(place) is there twice")
            }
            text(parts, "type", what)
            text(parts, "classification", what)
            if let nullable = parts["nullable"], nullable.bool == nil { wrong("nullable' of '\(what)", "true or false") }
        }
    }

    private mutating func lineage(_ value: JSONValue?, of place: String) {
        guard let value else { return }
        guard let items = value.array else { return wrong("lineage' of '\(place)", "a list") }
        for (index, item) in items.enumerated() {
            let what = "lineage \(index + 1) of \(place)"
            let keys = ["column", "from", "kind", "fromColumn", "type", "subtype"]
            guard let parts = object(item, what, required: keys) else { continue }
            text(parts, "column", what, mayBeEmpty: true)
            text(parts, "fromColumn", what)
            word(parts, "type", what, LockedLineage.Effect.self)
            word(parts, "subtype", what, ColumnLineageKind.self)
            word(parts, "kind", what, LockedLineage.Kind.self)
            if let from = text(parts, "from", what), parts["kind"]?.string == "asset", AssetName(from) == nil {
                report("'from' of \(what) is '\(from.prefix(80))', which is no name of an asset")
            }
        }
    }

    private mutating func word<Word: RawRepresentable & CaseIterable>(
        _ members: [String: JSONValue], _ key: String, _ what: String, _ type: Word.Type
    ) where Word.RawValue == String {
        guard let text = text(members, key, what), Word(rawValue: text) == nil else { return }
        report(
            "'\(key)' of \(what) is '\(text.prefix(80))'",
            hint: "one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
    }
}
