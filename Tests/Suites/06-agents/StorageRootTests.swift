import FlowForgeTestSupport
import Foundation
import Testing

/// Tables lie in the root that their environment names for their layer.
@Suite struct StorageRootTests {
    private static let manifest = """
        bundle: {name: rooted, version: 1.0.0, description: two layers in two roots}
        flows:
          all:
            tasks:
              seed: {layer: bronze, sql: seed.sql, output: bronze.seed}
              total: {layer: gold, sql: total.sql, inputs: [bronze.seed], output: gold.total}
        """

    @Test(.timeLimit(.minutes(3))) func `each layer follows its root, through runs, promotions and looks for drift`() async throws
    {
        try await Installation.up { it in
            let bundle = it.folder.appending(path: "bundle")
            try FileManager.default.createDirectory(at: bundle, withIntermediateDirectories: true)
            for (name, text) in [
                "flowforge.yaml": Self.manifest, "seed.sql": "SELECT range AS n FROM range(4)\n",
                "total.sql": "SELECT sum(n) AS total FROM bronze.seed\n",
            ] { try Data(text.utf8).write(to: bundle.appending(path: name)) }
            let fast = it.folder.appending(path: "fast")
            try await it.withAgent(lakeRoots: ["fast": fast]) {
                try await Self.declare("dev", "storage: {gold: fast}", it)
                try await Self.declare("qa", "storage: {gold: fast}\nupstream: [dev]\nmode: virtual", it)
                try await it.mustFlowforge("deploy", bundle.path, "--env", "dev")
                try await it.mustFlowforge("run", "start", "all", "--env", "dev", "--watch")
                try await it.mustFlowforge("promote", "--from", "dev", "--to", "qa")

                let files = FileManager.default
                for environment in ["dev", "qa"] {
                    let gold = fast.appending(path: "\(environment)/gold/total/current").path
                    // The promotion ends when the control plane has moved the pointers; agents follow.
                    _ = try await until("\(environment) has its table", within: .seconds(30)) {
                        files.fileExists(atPath: gold) ? true : nil
                    }
                    let total = try await execute(
                        Checkout.duckdb, ["-csv", "-noheader", "-c", "SELECT total FROM read_parquet('\(gold)/**/*.parquet')"])
                    #expect(total.output == "6\n", "\(total)")
                    #expect(files.fileExists(atPath: it.lake.appending(path: "\(environment)/bronze/seed").path))
                    #expect(!files.fileExists(atPath: it.lake.appending(path: "\(environment)/gold").path))
                    // Asked twice, since the first answer comes after the first look.
                    for _ in 0..<2 { try await it.mustFlowforge("drift", "show", "--env", environment, "--look") }
                    let drift = try await it.mustFlowforge("drift", "show", "--env", environment, "--look", "--exit-code")
                    #expect(drift.output.contains("Nothing"), "\(drift)")
                }

                let moved = try await Self.apply("dev", "storage: {}", it)
                #expect(moved.status != 0 && moved.errors.contains("storage.gold: 'dev' has tables in gold, such as gold.total"))
                try await Self.declare("other", "storage: {bronze: slow}", it)
                try await it.mustFlowforge("deploy", "rooted@1.0.0", "--env", "other")
                let failed = try await it.flowforge("run", "start", "all", "--env", "other", "--watch")
                #expect(
                    failed.status == 1 && "\(failed)".contains("this agent's lake has no root 'slow' for bronze"), "\(failed)")
            }
        }
    }

    private static func declare(_ name: String, _ rest: String, _ it: Installation) async throws {
        let applied = try await apply(name, rest, it)
        try #require(applied.status == 0, "\(applied)")
    }

    private static func apply(_ name: String, _ rest: String, _ it: Installation) async throws -> CommandResult {
        let file = it.folder.appending(path: "\(name).yaml")
        try Data("environment: {name: \(name)}\npool: local\n\(rest)\n".utf8).write(to: file)
        return try await it.flowforge("env", "apply", "-f", file.path)
    }
}
