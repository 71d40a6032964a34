import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Logging
import Synchronization
import Testing

@testable import FlowForgeOrchestration

/// What a control plane with 100,000 schedules does after its start; how long that takes is measured by `Benchmarks/history.py`.
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
        let commits = Mutex(0)
        options.fault = { point in if point == .afterCommit { commits.withLock { $0 += 1 } } }
        let restarted = try Store(path: it.plane.folder.appending(path: "flowforge.db").path, options: options)
        // Indexes find what is due: see the plans of these queries in SchemaTests. Nothing else is read, or kept.
        let due = try await restarted.read { try $0.triggers.due(limit: 100_000) }
        #expect(due.count == 1)
        let service = TriggerClock(
            store: restarted, wakeUps: WakeUps(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await service.takeBackTheFuture()
        #expect(commits.withLock { $0 } == 0)
        let next = try await service.fireDue()
        #expect(try await it.runs().count == 1)
        #expect(next == TriggerPlane.start + 20)
        // The schedule's, and the tick's.
        #expect(commits.withLock { $0 } <= 2)
        try restarted.close()
    }
}
