import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@Suite struct LoadModeTests {
    private let day1 = Date(timeIntervalSince1970: 1_700_000_000)
    private let day2 = Date(timeIntervalSince1970: 1_700_086_400)

    @Test func `append keeps base files as links and takes new columns`() async throws {
        let bench = try EngineBench()
        let load = LoadSpec(mode: .append)
        let first = try await bench.run(try bench.select("SELECT 1 AS a, 'x' AS b", into: "silver.t", load: load))
        let second = try await bench.run(try bench.select("SELECT 2 AS a, true AS c", into: "silver.t", load: load))
        #expect(second.finished.error == nil)
        #expect(second.finished.metrics.rowsWritten == 1)
        #expect(second.finished.output?.rows == 2)
        #expect(second.finished.output?.schema.map(\.name) == ["a", "b", "c"])
        let copy = try await bench.run(
            try bench.select("SELECT * FROM silver.t ORDER BY a", into: "gold.t", inputs: ["silver.t"]))
        #expect(copy.finished.error == nil)
        #expect(try await bench.read("gold.t") == [#"{"a":1,"b":"x","c":null}"#, #"{"a":2,"b":null,"c":true}"#])
        let base = try #require(first.finished.output)
        let file = try FileManager.default.contentsOfDirectory(
            atPath: bench.lake.root.path(percentEncoded: false) + "/dev/silver/t/\(base.location)"
        ).first { $0.hasSuffix(".parquet") }
        let attributes = try FileManager.default.attributesOfItem(
            atPath: bench.lake.root.path(percentEncoded: false) + "/dev/silver/t/current/\(try #require(file))")
        #expect((attributes[.referenceCount] as? NSNumber)?.intValue == 2)
    }

    @Test(arguments: [LoadMode.append, .merge])
    func `a changed type is refused and named`(mode: LoadMode) async throws {
        let bench = try EngineBench()
        let load = LoadSpec(mode: mode, keys: mode == .merge ? ["a"] : [])
        try await bench.run(try bench.select("SELECT 1 AS a, 'x' AS b", into: "silver.t", load: load))
        let run = try await bench.run(try bench.select("SELECT 1 AS a, 5 AS b", into: "silver.t", load: load))
        #expect(run.finished.error?.code == "schema_changed")
        #expect(run.finished.error?.message.contains("'b' from VARCHAR to INTEGER") == true)
        #expect(try await bench.read("silver.t") == [#"{"a":1,"b":"x"}"#])
    }

    @Test func `merge replaces rows with equal keys`() async throws {
        let bench = try EngineBench()
        let load = LoadSpec(mode: .merge, keys: ["k", "l"])
        try await bench.run(
            try bench.select("SELECT i AS k, 'l' AS l, 'old' AS v FROM range(3) t(i)", into: "silver.t", load: load))
        let run = try await bench.run(
            try bench.select("SELECT i AS k, 'l' AS l, 'new' AS v FROM range(2, 5) t(i)", into: "silver.t", load: load))
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsWritten == 3)
        #expect(
            try await bench.read("silver.t", "SELECT k, v FROM t ORDER BY k") == [
                #"{"k":0,"v":"old"}"#, #"{"k":1,"v":"old"}"#, #"{"k":2,"v":"new"}"#, #"{"k":3,"v":"new"}"#, #"{"k":4,"v":"new"}"#,
            ])
        let disjoint = try await bench.run(
            try bench.select("SELECT 9::BIGINT AS k, 'l' AS l, 'new' AS v, 1 AS w", into: "silver.t", load: load))
        #expect(disjoint.finished.output?.rows == 6)
        #expect(disjoint.finished.output?.schema.map(\.name) == ["k", "l", "v", "w"])
        let nothing = try await bench.run(
            try bench.select(
                "SELECT 9::BIGINT AS k, 'l' AS l, 'new' AS v, 1 AS w, 2 AS z WHERE false", into: "silver.t", load: load))
        #expect(nothing.finished.error == nil)
        #expect(nothing.finished.output?.rows == 6)
    }

    @Test func `merge refuses duplicate and missing keys with their count`() async throws {
        let bench = try EngineBench()
        let load = LoadSpec(mode: .merge, keys: ["k"])
        let twice = try await bench.run(try bench.select("SELECT i % 2 AS k FROM range(5) t(i)", into: "silver.t", load: load))
        #expect(twice.finished.error?.code == "duplicate_keys")
        #expect(twice.finished.error?.message.hasPrefix("2 keys (k) occur more than once in the 5 new rows") == true)
        let null = try await bench.run(try bench.select("SELECT NULL::INT AS k UNION ALL SELECT 1", into: "silver.t", load: load))
        #expect(null.finished.error?.code == "null_keys")
        #expect(!FileManager.default.fileExists(atPath: bench.lake.root.path(percentEncoded: false) + "/dev/silver/t/current"))
    }

    @Test func `scd2 closes what changed and keeps the rest`() async throws {
        let bench = try EngineBench()
        let load = LoadSpec(mode: .scd2, keys: ["k"])
        try await bench.run(
            try bench.select("SELECT * FROM (VALUES (1,'a'),(2,'b'),(3,NULL)) t(k,v)", into: "silver.t", load: load),
            runTime: day1)
        let run = try await bench.run(
            try bench.select("SELECT * FROM (VALUES (1,'a'),(2,'B'),(3,NULL),(4,'d')) t(k,v)", into: "silver.t", load: load),
            runTime: day2)
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsWritten == 2)
        #expect(
            try await bench.read(
                "silver.t",
                "SELECT k, v, epoch(_valid_from)::BIGINT AS f, epoch(_valid_to)::BIGINT AS t, _is_current AS c FROM t ORDER BY k, f"
            ) == [
                #"{"k":1,"v":"a","f":1700000000,"t":null,"c":true}"#,
                #"{"k":2,"v":"b","f":1700000000,"t":1700086400,"c":false}"#,
                #"{"k":2,"v":"B","f":1700086400,"t":null,"c":true}"#,
                #"{"k":3,"v":null,"f":1700000000,"t":null,"c":true}"#,
                #"{"k":4,"v":"d","f":1700086400,"t":null,"c":true}"#,
            ])
        let same = try await bench.run(
            try bench.select("SELECT * FROM (VALUES (2,'B')) t(k,v)", into: "silver.t", load: load), runTime: day2)
        #expect(same.finished.metrics.rowsWritten == 0)
        #expect(same.finished.output?.rows == 5)
        let wider = try await bench.run(
            try bench.select("SELECT 1 AS k, 'a' AS v, 7 AS w", into: "silver.t", load: load), runTime: day2)
        #expect(wider.finished.error == nil)
        #expect(wider.finished.output?.schema.map(\.name) == ["k", "v", "_valid_from", "_valid_to", "_is_current", "w"])
        #expect(
            try await bench.read("silver.t", "SELECT w, _is_current AS c FROM t WHERE k = 1 ORDER BY c") == [
                #"{"w":null,"c":false}"#, #"{"w":7,"c":true}"#,
            ])
    }

    @Test func `partition-overwrite replaces the partitions that it touches`() async throws {
        let bench = try EngineBench()
        let load = LoadSpec(mode: .partitionOverwrite, partitionBy: ["d", "p"])
        try await bench.run(
            try bench.select(
                "SELECT DATE '2024-01-01' + i::INT AS d, CASE WHEN i = 2 THEN 'a/ b%' END AS p, 'old' AS v FROM range(3) t(i)",
                into: "silver.t", load: load))
        let run = try await bench.run(
            try bench.select(
                "SELECT DATE '2024-01-03' AS d, 'a/ b%' AS p, 'new' AS v FROM range(2)", into: "silver.t", load: load))
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsWritten == 2)
        let copy = try await bench.run(
            try bench.select(
                "SELECT d, p, v, count(*) AS n FROM silver.t GROUP BY ALL ORDER BY ALL", into: "gold.t", inputs: ["silver.t"]))
        #expect(copy.finished.error == nil)
        #expect(
            try await bench.read("gold.t") == [
                #"{"d":"2024-01-01","p":null,"v":"old","n":1}"#, #"{"d":"2024-01-02","p":null,"v":"old","n":1}"#,
                #"{"d":"2024-01-03","p":"a/ b%","v":"new","n":2}"#,
            ])
        let none = try await bench.run(
            try bench.select("SELECT DATE '2024-01-03' AS d, 'a' AS p, 'new' AS v WHERE false", into: "silver.t", load: load))
        #expect(none.finished.output?.rows == 4)
    }

    @Test func `a sum of integers keeps every digit`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(
            try bench.select("SELECT sum(i) AS s FROM (VALUES (9007199254740993), (0)) t(i)", into: "gold.t"))
        #expect(run.finished.output?.schema.first?.type == "DECIMAL(38,0)")
        #expect(try await bench.read("gold.t") == [#"{"s":"9007199254740993"}"#])
    }

    @Test func `an empty partitioned result still has its columns`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(
            try bench.select(
                "SELECT 1 AS a, 'x' AS p WHERE false", into: "gold.t", load: LoadSpec(mode: .replace, partitionBy: ["p"])))
        #expect(run.finished.error == nil)
        #expect(run.finished.output?.schema.map(\.name) == ["a", "p"])
    }
}
