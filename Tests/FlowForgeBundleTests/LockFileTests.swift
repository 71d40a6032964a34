import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeBundle

/// The file itself: one text for one lock, and nothing else is read.
@Suite struct LockFileTests {
    static let lock = BundleLock(
        engine: .init(name: "duckdb", version: "1.5.5"),
        assets: [
            LockedAsset(
                asset: AssetName("silver.orders")!, of: "sha256:" + String(repeating: "b", count: 64),
                columns: [
                    LockedColumn(name: "id", type: "BIGINT", nullable: false),
                    LockedColumn(name: "the \"amount\"\n€", type: "DECIMAL(18,2)", classification: "confidential"),
                ],
                lineage: [
                    LockedLineage(column: "", from: "bronze.orders", kind: .asset, fromColumn: "id", subtype: .filter),
                    LockedLineage(column: "id", from: "bronze.orders", kind: .asset, fromColumn: "id", subtype: .identity),
                ]),
            LockedAsset(asset: AssetName("bronze.orders")!, of: "sha256:" + String(repeating: "a", count: 64), columns: []),
        ],
        externals: [
            LockedExternal(asset: AssetName("gold.other")!, columns: [LockedColumn(name: "x", type: "STRUCT(a INTEGER)[]")])
        ])

    static let text = String(decoding: lock.text, as: UTF8.self)

    private func problems(_ text: String) -> [String] { problems(Data(text.utf8)) }

    private func problems(_ bytes: Data) -> [String] {
        do {
            _ = try BundleLock(reading: bytes)
            return []
        } catch {
            return error.all.map(\.description)
        }
    }

    @Test func `a lock is written one entity a line, in one order, and read as it was`() throws {
        #expect(Self.lock.assets.map(\.asset.description) == ["bronze.orders", "silver.orders"])
        #expect(Self.text.hasSuffix("}\n") && !Self.text.contains("\n\n"))
        #expect(Self.text.contains("\n        {\"name\":\"id\",\"nullable\":false,\"type\":\"BIGINT\"},\n"))
        #expect(try BundleLock(reading: Self.lock.text) == Self.lock)
        let empty = BundleLock(engine: .init(name: "duckdb", version: "1"), assets: [])
        #expect(try BundleLock(reading: empty.text) == empty)
        // Its lines are JSON as the rest is, whatever is in a name.
        let odd = ["a\"b", "a\\b", "a/b", "\u{E9}\u{1F600}", "a\u{1}\n\u{7F}", "a b"].map {
            LockedColumn(name: $0, type: "ENUM('\($0)')", nullable: $0.utf8.count.isMultiple(of: 2), classification: $0)
        }
        let steps = odd.map {
            LockedLineage(column: $0.name, from: $0.name, kind: .source, fromColumn: $0.type, subtype: .identity)
        }
        let asset = LockedAsset(asset: Self.lock.assets[0].asset, of: Self.lock.assets[0].of, columns: odd, lineage: steps)
        let strange = BundleLock(engine: .init(name: "duckdb", version: "1"), assets: [asset])
        let lines = Set(String(decoding: strange.text, as: UTF8.self).split(separator: "\n").map { $0.drop { $0 == " " } })
        for line in try asset.columns.map(WireCoding.encode) + asset.lineage.map(WireCoding.encode) {
            let text = String(decoding: line, as: UTF8.self)
            #expect(lines.contains(text[...]) || lines.contains("\(text),"), "\(text)")
        }
        #expect(try BundleLock(reading: strange.text) == strange)
        // Codable too, as the control plane keeps it.
        #expect(try WireCoding.decode(BundleLock.self, from: WireCoding.encode(Self.lock)) == Self.lock)
    }

    @Test(arguments: [
        ("\"format\": 1", "\"format\": 2", "flowforge.lock: 'format' is 2, and this version reads 1 (use a newer `flowforge`)"),
        ("\"format\": 1", "\"format\": \"1\"", "'format' is not a number"),
        ("\"format\": 1", "\"format\": 1,\n  \"extra\": 1", "the lock has an unknown key 'extra'"),
        ("  \"format\": 1,\n", "", "the lock has no 'format'"),
        ("\"bronze.orders\",\n", "\"orders\",\n", "'asset' of assets[0] is 'orders', which is no name of an asset"),
        ("\"bronze.orders\",\n", "\"bronze.orders'; DROP\",\n", "which is no name of an asset"),
        ("\"bronze.orders\",\n", "\"silver.orders\",\n", "silver.orders of 'assets' is there twice, or not in order"),
        ("\"bronze.orders\",\n", "\"silver.zzz\",\n", "silver.orders of 'assets' is there twice, or not in order"),
        ("sha256:aaaa", "sha256:zzzz", "'of' of asset bronze.orders is no digest"),
        ("\"name\":\"x\"", "\"name\":7", "'name' of column 1 of external gold.other is not text"),
        ("\"name\":\"x\"", "\"name\":\"\"", "'name' of column 1 of external gold.other is not text with something in it"),
        ("\"name\":\"the", "\"name\":\"ID\"},{\"name\":\"the", "the column 'ID' of asset silver.orders is there twice"),
        ("\"nullable\":false", "\"nullable\":\"no\"", "'nullable' of 'column 1 of asset silver.orders' is not true or false"),
        ("\"nullable\":false", "\"key\":true", "column 1 of asset silver.orders has an unknown key 'key'"),
        ("\"subtype\":\"FILTER\"", "\"subtype\":\"MAGIC\"", "'subtype' of lineage 1 of asset silver.orders is 'MAGIC'"),
        (
            "\"kind\":\"asset\"", "\"kind\":\"table\"",
            "'kind' of lineage 1 of asset silver.orders is 'table' (one of asset, source)"
        ),
        ("\"from\":\"bronze.orders\"", "\"from\":\"orders\"", "'from' of lineage 1 of asset silver.orders is 'orders'"),
        ("\"columns\": []", "\"columns\": {}", "'columns' of 'asset bronze.orders' is not a list"),
        ("\"lineage\": []", "\"lineage\": null", "'lineage' of 'asset bronze.orders' is not a list"),
        // Well-formed, and still not what is written.
        ("\"type\":\"INDIRECT\"", "\"type\":\"DIRECT\"", "is no lock that this version can read"),
        ("\"name\":\"x\"", "\"name\":\"y\",\"name\":\"x\"", "is not as `flowforge bundle lock` writes it, from this line on"),
        ("  \"format\"", "    \"format\"", "flowforge.lock:2: is not as `flowforge bundle lock` writes it"),
        ("}\n", "}\r\n", "is not as `flowforge bundle lock` writes it"),
        ("\"engine\"", "<<<<<<< HEAD\n  \"engine\"", "has the marks of a merge that was left undecided"),
    ])
    func `another text is refused, and what is wrong is named`(old: String, new: String, problem: String) throws {
        try #require(Self.text.contains(old))
        let found = problems(Self.text.replacing(old, with: new, maxReplacements: 1))
        #expect(found.contains { $0.contains(problem) }, "\(found)")
    }

    @Test func `hostile files are refused quickly`() {
        let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        for text in [
            "", "null", "[]", "{}", "\u{FEFF}" + Self.text, Self.text + " ", deep, "{\"assets\": \(deep)}", "{\"a\":1e999}",
        ] {
            #expect(!problems(text).isEmpty, "\(text.prefix(40))")
        }
        #expect(!problems(Data([0xFF, 0xFE, 0x00])).isEmpty)
        #expect(problems(Data(count: BundleLimits.fileBytes + 1)) == ["flowforge.lock: is larger than 16 MiB (split the bundle)"])
        let many = Self.text.replacing(
            "\"columns\": []", with: "\"columns\": [\(Array(repeating: "{}", count: 10_000).joined(separator: ","))]")
        #expect(problems(many).count == 50)
    }

    /// Each byte of a lock is there for a reason.
    @Test func `a lock that was cut or changed anywhere is refused`() {
        let bytes = Array(Self.lock.text)
        for end in stride(from: 0, to: bytes.count, by: 7) { #expect(!problems(Data(bytes[..<end])).isEmpty) }
        for seed in 0..<300 as Range<UInt64> {
            var random = SeededNumbers(seed: seed)
            var changed = bytes
            let place = Int.random(in: 0..<bytes.count, using: &random)
            changed[place] = UInt8.random(in: 0x20...0x7E, using: &random)
            // Within a text one letter is as good as another.
            guard changed != bytes, let lock = try? BundleLock(reading: Data(changed)) else { continue }
            #expect(lock.text == Data(changed) && lock != Self.lock, "seed \(seed): byte \(place)")
        }
    }
}
