import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

/// SIGKILL of the control plane before and after each commit of a promotion and of a rollback: the next process
/// finishes what was begun, and what is there then is what is there without a crash.
@Suite(.timeLimit(.minutes(10))) struct PromotionKillFaultTests {
    private static let manifest = """
        flows:
          all:
            tasks:
              seed: {layer: bronze, sql: seed.sql, output: bronze.seed}
              total: {layer: gold, sql: total.sql, inputs: [bronze.seed], output: gold.total}
        """

    @Test func `a promotion that is killed at any commit ends as one that is not`() async throws {
        try await Fleet.up { fleet in
            try await Self.prepare(fleet)
            // Once without a crash: what each direction has to end with.
            let there = try await Self.change(.promote, fleet)
            let back = try await Self.change(.back, fleet)
            #expect(there != back)
            try await fleet.controlPlane.kill9()
            let disk = try await Disk(under: fleet.control, in: fleet.folder)
            // In short runs a promotion is killed after its commits and a rollback before them, in long ones each both ways.
            let kills = [("after", Direction.promote), ("before", .back), ("before", .promote), ("after", .back)]
            for pair in FaultTally.isLong ? [kills.prefix(2), kills.suffix(2)] : [kills.prefix(2)] {
                var commit = 0
                var crashes = 1
                while crashes > 0 {
                    (commit, crashes) = (commit + 1, 0)
                    for (moment, direction) in pair {
                        try await FaultTally.fault("control-plane.kill.promotion") {
                            let daemon = try await fleet.serve(
                                environment: try await disk.begin(kill: "\(moment):\(commit)"), ready: false)
                            do {
                                try await daemon.ready()
                                _ = try await Self.change(direction, fleet)
                            } catch { crashes += 1 }
                            try await daemon.kill9()
                            if FaultTally.isLong { try await fleet.requireSound() }
                            let again = try await fleet.serve()
                            let ended = try await Self.change(direction, fleet)
                            #expect(ended == (direction == .promote ? there : back), "\(moment) commit \(commit), \(direction)")
                            try await again.kill9()
                        }
                    }
                }
                #expect(commit > 6, "a promotion is at least so many commits")
            }
        }
    }

    private enum Direction { case promote, back }

    /// Two versions that have run in `dev`, the first of which is what `prod` has; no agent is left.
    private static func prepare(_ fleet: Fleet) async throws {
        let agent = try await fleet.agent("maker").start()
        let prod = fleet.folder.appending(path: "prod.yaml")
        try Data("environment: {name: prod}\npool: local\nupstream: [dev]\nmode: virtual\n".utf8).write(to: prod)
        try await fleet.flowforge("env", "apply", "-f", prod.path)
        for (number, rows) in [4, 5].enumerated() {
            let bundle = fleet.folder.appending(path: "kept-\(number)")
            try FileManager.default.createDirectory(at: bundle, withIntermediateDirectories: true)
            for (name, text) in [
                "flowforge.yaml": "bundle: {name: kept, version: 1.\(number).0}\n\(manifest)",
                "seed.sql": "SELECT range AS n FROM range(\(rows))\n", "total.sql": "SELECT sum(n) AS total FROM bronze.seed\n",
            ] { try Data(text.utf8).write(to: bundle.appending(path: name)) }
            try await fleet.flowforge("deploy", bundle.path, "--env", "dev")
            try await fleet.flowforge("run", "start", "all", "--env", "dev", "--watch")
            if number == 0 { try await fleet.flowforge("promote", "--from", "dev", "--to", "prod", "--bundle", "kept") }
        }
        try await agent.kill9()
    }

    /// Asks for the change unless it has been made, and returns what is there when it has ended.
    private static func change(_ direction: Direction, _ fleet: Fleet) async throws -> [String] {
        let client = fleet.client
        let wanted = direction == .promote ? "1.1.0" : "1.0.0"
        let open = try await client.promotions(environment: "prod", limit: 1).items.first { !$0.isFinal }
        var promotion = open
        let current = try await client.environment("prod").releases.first { $0.bundle.name == "kept" }
        if open == nil, current?.bundle.version != wanted {
            promotion = try await client.requestPromotion(
                direction == .promote
                    ? .init(kind: "promote", environment: "prod", source: "dev", bundle: "kept")
                    : .init(kind: "rollback", environment: "prod", bundle: "kept", reason: "to and fro")
            ).promotion
        }
        if let promotion {
            let ended = try await until("the change ends", within: .seconds(20), every: .milliseconds(5)) {
                let view = try await client.promotion(promotion.id)
                return view.isFinal ? view : nil
            }
            try #require(ended.state == "succeeded" && ended.done == ended.steps, "\(ended)")
        }
        let release = try await client.environment("prod").releases.first { $0.bundle.name == "kept" }
        let assets = try await client.assets(environment: "prod").items
        let lineage = try await client.lineage(
            of: AssetName("gold.total")!, environment: "prod", direction: .upstream, at: Date())
        return ["release \(release?.bundle.version ?? "none")"]
            + assets.map { "asset \($0.name) \($0.snapshot.id)" }.sorted()
            + lineage.edges.map { "edge \($0.from.name) \($0.to.name)" }.sorted()
    }
}
