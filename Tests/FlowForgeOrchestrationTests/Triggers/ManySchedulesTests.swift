import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Logging
import Testing

@testable import FlowForgeOrchestration

/// What a control plane with 100,000 schedules does after its start.
@Suite(.timeLimit(.minutes(4))) struct ManySchedulesTests {
    @Test func `a hundred thousand schedules are ready at once, and the right one fires`() async throws {
        let it = try await TriggerPlane()
        let spec = TriggerSpec(name: "t", schedule: try cron("0 6 * * *", "Europe/London"))
        try await it.deploy(["a": [TriggerSpec(name: "soon", schedule: try schedule(every: 10))]])
        let store = it.plane.store
        for batch in 0..<10 {
            try await store.write { session in
                for index in 0..<10_000 {
                    var own = spec
                    own.name = "t\(batch)_\(index)"
                    var row = TriggerRow(
                        id: .make(at: session.now), environment: "dev", bundle: "many", flow: "a", specification: own,
                        pool: "demo", createdAt: session.now)
                    TriggerSchedule.arm(&row, at: session.now)
                    try session.triggers.insert(row)
                }
            }
        }
        it.plane.time.advance(10)
        let time = it.plane.time
        var options = Store.Options()
        options.now = { time.now }
        let before = Self.residentMiB()
        let clock = ContinuousClock()
        let start = clock.now
        let restarted = try Store(path: it.plane.folder.appending(path: "flowforge.db").path, options: options)
        let service = TriggerClock(
            store: restarted, wakeUps: WakeUps(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await service.takeBackTheFuture()
        let next = try await service.fireDue()
        let took = clock.now - start
        print("100,001 schedules: first tick fired \(took) after opening the store, \(Self.residentMiB() - before) MiB more")
        #expect(try await it.runs().count == 1)
        #expect(next == TriggerPlane.start + 20)
        #expect(took < .seconds(5))
        #expect(Self.residentMiB() - before < 64)
        try restarted.close()
    }

    private static func residentMiB() -> Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 >> 20 : 0
    }
}
