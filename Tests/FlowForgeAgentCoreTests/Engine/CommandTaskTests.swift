import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@Suite struct CommandTaskTests {
    private func command(
        _ script: String, in bench: EngineBench, arguments: [String] = [], inputs: [String] = [], output: String?,
        mode: Int = 0o755,
        load: LoadSpec = LoadSpec(), checks: [CheckSpec] = []
    ) throws -> TaskSpec {
        let url = try bench.write(script, to: "bin/run.sh")
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: url.path(percentEncoded: false))
        return TaskSpec(
            name: "cmd", layer: .gold, engine: "command", command: ["bin/run.sh"] + arguments,
            inputs: inputs.compactMap(AssetName.init),
            output: output.flatMap(AssetName.init), load: load, checks: checks)
    }

    @Test func `a command sees its inputs, parameters and variables and nothing else`() async throws {
        let bench = try EngineBench()
        try await bench.run(try bench.select("SELECT 1 AS a", into: "silver.t"))
        let task = try command(
            "#!/bin/sh\nenv | sort | cut -d= -f1\nls $FLOWFORGE_INPUT_SILVER_T\necho \"p=$FLOWFORGE_PARAMETER_DAY $1\" >&2\npwd\n",
            in: bench, arguments: ["--day=${parameters.day}"], inputs: ["silver.t"], output: nil)
        let run = try await bench.run(task, parameters: ["day": "2024-01-01"])
        #expect(run.finished.error == nil)
        let lines = run.report.all.lines
        #expect(lines.contains { $0.stream == .stderr && $0.text == "p=2024-01-01 --day=2024-01-01" })
        let names = lines.filter { $0.stream == .stdout }.map(\.text).filter { $0.allSatisfy { $0.isUppercase || $0 == "_" } }
        #expect(
            Set(names) == [
                "FLOWFORGE_INPUT_SILVER_T", "FLOWFORGE_PARAMETER_DAY", "FLOWFORGE_RUN_ID", "FLOWFORGE_RUN_TIME",
                "FLOWFORGE_SCHEDULED_FOR",
                "FLOWFORGE_TASK",
                "FLOWFORGE_VARIABLE_RAW_DIR", "HOME", "LANG", "PATH", "PWD", "TMPDIR",
            ])
        #expect(lines.contains { $0.text == "_snapshot.json" })
    }

    @Test func `what a command writes is checked, measured and published`() async throws {
        let bench = try EngineBench()
        let duckdb = try EngineBench.tool(".tools/bin/duckdb").path(percentEncoded: false)
        let task = try command(
            "#!/bin/sh\n\(duckdb) -c \"COPY (SELECT i, 'x' AS s FROM range(3) t(i)) TO '$FLOWFORGE_OUTPUT/a.parquet'\"\n",
            in: bench,
            output: "gold.t", load: LoadSpec(mode: .append),
            checks: [CheckSpec(name: "rows", rule: .rowCount(minimum: 1, maximum: nil))])
        try await bench.run(task)
        let run = try await bench.run(task)
        #expect(run.finished.error == nil)
        #expect(run.finished.output?.rows == 6)
        #expect(run.finished.metrics.rowsWritten == 3)
        #expect(run.finished.checks.map(\.passed) == [true])
        #expect(run.finished.output?.statistics.count == 2)
    }

    @Test func `failures say what went wrong`() async throws {
        let bench = try EngineBench()
        let exits = try await bench.run(try command("#!/bin/sh\nexit 3\n", in: bench, output: nil))
        #expect(exits.finished.error?.code == "exit_code")
        #expect(exits.finished.error?.message == "the command exited with 3")
        let killed = try await bench.run(try command("#!/bin/sh\nkill -9 $$\n", in: bench, output: nil))
        #expect(killed.finished.error?.message == "the command was ended by signal 9")
        let silent = try await bench.run(try command("#!/bin/sh\n", in: bench, output: "gold.t"))
        #expect(silent.finished.error?.code == "output_missing")
        let plain = try await bench.run(try command("#!/bin/sh\n", in: bench, output: nil, mode: 0o644))
        #expect(plain.finished.error?.message == "bin/run.sh is not executable")
        var outside = try command("#!/bin/sh\n", in: bench, output: nil)
        outside.command = ["../../../../bin/true"]
        #expect(try await bench.run(outside).finished.error?.message.contains("outside the bundle") == true)
    }

    @Test func `long and binary output is cut and made text`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(
            try command(
                "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x\necho\nprintf 'caf\\351\\r\\nlast'\n", in: bench, output: nil))
        let lines = run.report.all.lines.filter { $0.stream == .stdout }.map(\.text)
        #expect(lines.count == 3)
        #expect(lines[0].utf8.count <= 16 << 10)
        #expect(lines[0].hasSuffix("bytes more)"))
        #expect(lines[1...] == ["caf\u{FFFD}", "last"])
    }
}
