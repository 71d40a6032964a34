import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import flowforge

@Suite struct PageTests {
    @Test func `a run is drawn by layer, with figures in columns and reasons below`() {
        let lines = RunTree(run: Samples.mixedRun, style: .plain, now: Samples.now.addingTimeInterval(60)).lines()
        #expect(
            lines.joined(separator: "\n") == """
                medallion  ✖ failed in 12 s
                \(Samples.run)
                nyc-flights@1.0.0 in dev · created 1 m ago by principal:ada

                bronze
                └─ ✔ ingest_flights → bronze.flights   4.1 s  336,780 in  336,776 out  4 quarantined  2 checks ▲ 1 warned
                      ▲ not_null(tailnum), 2,512 rows: 2512 nulls, none allowed
                silver
                └─ ✖ flights                          420 ms  failed · attempt 2
                      attempt 1 on demo: lost: demo was not heard of until its lease lapsed
                      attempt 2 on demo: sql_error: Binder Error: column "dep" not found
                        LINE 1: SELECT dep
                      hint: did you mean dep_time?
                gold
                └─ ⊘ carrier_punctuality              skipped: something upstream did not succeed

                1 of 3 tasks succeeded · 1 failed · 1 skipped · 4 rows quarantined · 1 of 2 checks passed
                """)
    }

    @Test func `a run that has ended says what readers do not see yet`() {
        var run = Samples.run(.running, tasks: [Samples.task("x", .gold, .succeeded)])
        run.unpublished = ["gold.x", "gold.y"].compactMap(AssetName.init)
        let last = { RunTree(run: run, style: .plain, now: Samples.now).lines().last }
        #expect(last() == "1 of 1 task succeeded")
        run.state = .succeeded
        #expect(last() == "not yet seen by readers of the lake: gold.x, gold.y")
    }

    @Test func `a run fits the width, has no colour unless wanted, and ASCII where needed`() {
        let tree = RunTree(run: Samples.mixedRun, style: .ascii, now: Samples.now)
        #expect(tree.lines().allSatisfy { $0.allSatisfy(\.isASCII) })
        #expect(tree.lines(width: 50).allSatisfy { TextWidth.of($0) <= 50 })
        let coloured = RunTree(run: Samples.mixedRun, style: Style(colour: true, unicode: true), now: Samples.now).lines(
            width: 60)
        #expect(coloured.contains { $0.contains("\u{1B}[") })
        #expect(coloured.allSatisfy { TextWidth.of($0) <= 60 })
    }

    @Test func `a run of many tasks, none or of unknown states is drawn too`() {
        let many = (0..<500).map { Samples.task("task_\($0)", .silver, .waiting) }
        #expect(RunTree(run: Samples.run(.running, tasks: many), style: .plain, now: Samples.now).lines().count == 507)
        #expect(RunTree(run: Samples.run(.unknown, tasks: []), style: .plain, now: Samples.now).lines().count == 3)
        let odd = Samples.run(.running, tasks: [Samples.task("x", .unknown, .unknown)])
        #expect(RunTree(run: odd, style: .plain, now: Samples.now).lines().contains { $0.contains("○ x") })
    }

    @Test func `progress is told once, a line for each change`() {
        var progress = RunProgress()
        let look = { (progress: inout RunProgress, run: OperatorAPI.RunView) in
            progress.lines(for: run, style: .plain, zone: .gmt, now: Samples.now).map { String($0.dropFirst(9)) }
        }
        let waiting = Samples.run(.running, tasks: [Samples.task("flights", .silver, .waiting)])
        #expect(look(&progress, waiting).isEmpty)
        let running = Samples.run(
            .running, tasks: [Samples.task("flights", .silver, .running, attempts: [Samples.attempt(.running)])])
        #expect(look(&progress, running) == ["● flights running on demo"])
        #expect(look(&progress, running).isEmpty)
        let metrics = TaskMetrics(rowsRead: 10, rowsWritten: 9, rowsQuarantined: 1)
        let done = Samples.run(
            .succeeded,
            tasks: [Samples.task("flights", .silver, .succeeded, attempts: [Samples.attempt(.succeeded, metrics: metrics)])])
        #expect(
            look(&progress, done) == [
                "✔ flights succeeded in 4.1 s, 10 rows in, 9 out, 1 quarantined", "✔ medallion succeeded",
            ])
    }

    private func node(_ name: String, _ column: String? = nil, _ kind: OperatorAPI.LineageNode.Kind = .asset)
        -> OperatorAPI.LineageNode
    {
        .init(kind: kind, name: name, column: column)
    }

    @Test func `lineage is drawn from its root, shared parts once, and circles end`() {
        let gold = node("gold.g", "n")
        let silver = node("silver.s", "a")
        let other = node("silver.t", "b")
        let bronze = node("bronze.b", "a")
        let file = node("${variables.raw_dir}/b*.csv", "a", .source)
        let edge = { (from, to, task: String, type: String) in
            OperatorAPI.LineageEdge(from: from, to: to, task: task, type: "DIRECT", subtype: type)
        }
        let view = OperatorAPI.LineageView(
            root: gold, direction: .upstream, nodes: [gold, silver, other, bronze, file],
            edges: [
                edge(silver, gold, "g", "AGGREGATION"), edge(silver, gold, "g", "GROUP_BY"), edge(other, gold, "g", "JOIN"),
                edge(bronze, silver, "s", "IDENTITY"), edge(bronze, other, "t", "IDENTITY"), edge(file, bronze, "b", "IDENTITY"),
            ])
        #expect(
            LineageTree(view: view, style: .plain).lines().joined(separator: "\n") == """
                gold.g.n
                ├─ silver.s.a  by g (aggregation, group by)
                │  └─ bronze.b.a  by s (identity)
                │     └─ ${variables.raw_dir}/b*.csv.a  by b (identity)
                └─ silver.t.b  by g (join)
                   └─ bronze.b.a  by t (identity) (above)
                """)
        let circle = OperatorAPI.LineageView(
            root: gold, direction: .downstream, nodes: [gold, silver],
            edges: [edge(gold, silver, "x", "IDENTITY"), edge(silver, gold, "y", "IDENTITY")])
        #expect(LineageTree(view: circle, style: .plain).lines().count == 3)
    }

    @Test func `an asset shows its columns, checks and history`() throws {
        let asset = OperatorAPI.AssetView(
            environment: "dev", name: try #require(AssetName("silver.flights")),
            snapshot: .init(id: .make(at: Samples.now), version: 3, location: "snapshots/x"), rows: 336_776, bytes: 5_400_000,
            publishedAt: Samples.now, run: Samples.run, task: "flights",
            schema: [
                ColumnSchema(name: "dep_time", type: "TIMESTAMP"),
                ColumnSchema(name: "tailnum", type: "VARCHAR", tags: ["sensitive"]),
            ],
            statistics: [
                ColumnStatistics(
                    column: "dep_time", count: 336_776, nulls: 8255, distinct: 1300, minimum: "2013-01-01", maximum: "2013-12-31"),
                ColumnStatistics(column: "tailnum", count: 336_776, nulls: 0, minimumLength: 5, maximumLength: 6),
            ], checks: [CheckResult(name: "unique(id)", kind: "unique", severity: .fail, passed: true, message: "0 duplicates")],
            history: [
                .init(
                    snapshot: .init(id: .make(at: Samples.now), version: 3, location: "x"), rows: 336_776, bytes: 5_400_000,
                    publishedAt: Samples.now, run: Samples.run, schemaChanged: true)
            ])
        let page = AssetPage(asset: asset, style: .plain, now: Samples.now).render(width: nil)
        for expected in [
            "336,776", "5.4 MB", "8,255 (2 %)", "≈1,300", "2013-01-01 … 2013-12-31", "5 … 6 characters", "sensitive", "✔ passed",
            "changed",
        ] {
            #expect(page.contains(expected), "'\(expected)' is missing in\n\(page)")
        }
        #expect(
            AssetPage(asset: asset, style: .plain, now: Samples.now).render(width: 60).split(separator: "\n").count
                == page.split(separator: "\n").count)
    }

    @Test func `a plan is ASCII where needed`() throws {
        let reference = { BundleReference(name: "shop", version: $0, digest: "sha256:00") }
        let content = PlanContent(
            changes: [
                PlanChange(
                    subject: "column", name: "gold.a.b", action: "changed", impact: .breaking,
                    fields: [.init(name: "type", before: "INTEGER", after: "VARCHAR")])
            ],
            downstream: [
                ColumnHit(environment: "prod", asset: try #require(AssetName("gold.b")), column: "x", because: "gold.a.b")
            ],
            configuration: [.init(kind: .variable, name: "batch", before: "1", after: "2")])
        let plan = Plan(
            environment: "prod", bundle: reference("2.0.0"), from: reference("1.0.0"), release: nil, baseSerial: 1,
            mode: .physical, source: nil, expiresAt: Samples.now, content: content)
        let verdicts = [GateVerdict.State.passed, .pending, .failed].map {
            GateVerdict(gate: "\($0)", kind: "approval", enforcement: .hard, state: $0, message: "so it is")
        }
        let view = OperatorAPI.PlanView(
            digest: "sha256:" + String(repeating: "0", count: 64), plan: [:], isEmpty: false, hasChanges: true, hasDrift: false,
            standing: "denied", verdicts: [], approvals: [], createdAt: Samples.now, createdBy: "principal:ada",
            expiresAt: Samples.now, isCurrent: true)
        let page = { PlanPage(view: view, plan: plan, verdicts: verdicts, style: $0, width: nil, zone: .gmt).text }
        let foreign = page(.ascii).filter { !$0.isASCII }
        #expect(foreign == "")
        let plain = page(.plain)
        for sign in ["✔", "✖", "○", "→"] { #expect(plain.contains(sign), "\(plain)") }
    }

    @Test func `looks are rarer while nothing moves`() {
        var beat = Beat()
        let pauses = [true, false, false, false, false, false, false, true].map { beat.next(moves: $0) }
        let expected = [300, 600, 1200, 2400, 4800, 5000, 5000, 300].map { Duration.milliseconds($0) }
        #expect(pauses == expected)
    }
}
