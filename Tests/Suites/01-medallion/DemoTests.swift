import FlowForgeBundle
import Foundation
import Testing

/// `make demo`'s script as a user runs it, on the programs of this build.
@Suite(.serialized) struct DemoTests {
    @Test(.timeLimit(.minutes(5))) func `the demo goes from raw files to gold tables, and its figures are right`() async throws {
        try await withTemporaryFolder { folder in
            let demo = folder.appending(path: "demo")
            let result = try await execute(
                Checkout.root.appending(path: "Examples/demo").path,
                environment: ["FLOWFORGE_BIN": Checkout.programs.path, "DEMO_DIR": demo.path, "NO_COLOR": "1"])
            try #require(result.status == 0, "\(result)")

            // Progress, task tree, checks, gold rows, lineage down to a raw file: all of it was shown.
            for expected in [
                "ingest_flights", "succeeded", "quarantined", "gold.carrier_punctuality", "gold.airport_day", "bronze.flights",
                "flights*.csv", "flowforge run logs",
                // On to prod: promoted with an approval, stopped by a gate that names the columns, rolled back.
                "13 tables point to it", "cancelled_share", "gold.weather_delay.mean_departure_delay_minutes", "a gate denies it",
                "refused: readers", "rollback nyc-flights@1.0.0 to 'prod'",
            ] {
                #expect(result.output.contains(expected), "missing '\(expected)' in\n\(result.output)")
            }
            let refused = try #require(result.output.range(of: "refused: readers"))
            #expect(!result.output[refused.upperBound...].contains("cancelled_share"), "it came back")
            #expect(!result.output.contains("\u{1B}["), "colour although the output is no terminal")
            #expect(processes(mentioning: folder.path).isEmpty)

            // The figures, computed from the raw CSVs by another tool.
            let verified = try await execute(
                Checkout.python,
                [
                    Checkout.root.appending(path: "Tests/Suites/01-medallion/verify_nyc.py").path,
                    demo.appending(path: "raw").path,
                    demo.appending(path: "lake/dev").path, Checkout.duckdb,
                ])
            #expect(verified.status == 0, "\(verified)")

            // The lock of the example said all of this before.
            let example = Checkout.root.appending(path: "Examples/nyc-flights")
            let lock = try BundleLock(reading: Data(contentsOf: example.appending(path: BundleLock.fileName)))
            try await LockedRun.compare(
                lock, environment: "dev", database: demo.appending(path: "control/flowforge.db"))
            let checked = try await execute(
                Checkout.programs.appending(path: "flowforge").path,
                ["bundle", "lock", example.path, "--check", "--duckdb", Checkout.duckdb])
            #expect(checked.status == 0, "\(checked)")
        }
    }

    @Test(.timeLimit(.minutes(2))) func `Ctrl-C ends everything that the demo started`() async throws {
        try await withTemporaryFolder { folder in
            let demo = folder.appending(path: "demo")
            // To the whole process group, as a terminal does, once the agent has said something.
            let interrupted = """
                set -m
                "$DEMO" & demo=$!
                until [ -s "$DEMO_DIR/agent.log" ]; do kill -0 $demo || exit 99; sleep 0.02; done
                kill -INT -- -$demo
                wait $demo
                """
            let result = try await execute(
                "bash", ["-c", interrupted],
                environment: [
                    "FLOWFORGE_BIN": Checkout.programs.path, "DEMO_DIR": demo.path,
                    "DEMO": Checkout.root.appending(path: "Examples/demo").path,
                ])
            #expect(result.status == 130, "\(result)")
            #expect(processes(mentioning: folder.path).isEmpty)
        }
    }
}
