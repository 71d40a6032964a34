import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@Suite struct CancellationTests {
    @Test(arguments: [true, false])
    func `a cancelled task leaves no process and no file`(sql: Bool) async throws {
        let bench = try EngineBench()
        let task: TaskSpec
        if sql {
            task = try bench.select("SELECT count(*) AS n FROM range(100000000000) a WHERE hash(range) % 7 = 1", into: "gold.t")
        } else {
            let script = try bench.write("#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho up\nwait\n", to: "run.sh")
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path(percentEncoded: false))
            task = TaskSpec(name: "t", layer: .gold, engine: "command", command: ["run.sh"], output: AssetName("gold.t"))
        }
        let work = try bench.work(task)
        let (starts, started) = AsyncStream.makeStream(of: Void.self)
        let report = Recorder { started.yield() }
        let runner = try EngineBench.runner()
        let running = Task { await runner.run(work, reporting: report) }
        for await _ in starts { break }
        running.cancel()
        let finished = await running.value
        #expect(finished.outcome == .cancelled)
        #expect(finished.output == nil)
        #expect(report.all.events.map(\.eventType) == [.start, .abort])
        for pid in report.all.pids { #expect(kill(pid, 0) != 0) }
        #expect(!FileManager.default.fileExists(atPath: bench.lake.root.path(percentEncoded: false) + "/dev/gold/t/snapshots"))
        let staging = bench.lake.root.path(percentEncoded: false) + "/dev/gold/t/.staging"
        #expect(try FileManager.default.contentsOfDirectory(atPath: staging) == [])
    }
}
