import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Logging

@testable import FlowForgeOrchestration

/// A flow `a` with a daily schedule, and what makes and works off backfills of it.
struct BackfillBench {
    let it: TriggerPlane
    let backfills: Backfills
    let feeder: BackfillFeeder

    init(
        _ flows: [String: [TriggerSpec]] = [:], fault: (@Sendable (Store.FaultPoint) throws -> Void)? = nil
    ) async throws {
        it = try await TriggerPlane(fault: fault)
        let plane = it.plane
        backfills = Backfills(store: plane.store, wakeUps: plane.wakeUps)
        feeder = BackfillFeeder(
            store: plane.store, wakeUps: plane.wakeUps, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await it.deploy(["a": [TriggerSpec(name: "daily", schedule: try cron("0 6 * * *"))]].merging(flows) { $1 })
    }

    static let from = Date(timeIntervalSince1970: 1_799_971_200)  // 2027-01-15
    func day(_ number: Int) -> Date { Self.from.addingTimeInterval(Double(number - 15) * 86_400) }

    func request(
        _ from: Int = 5, _ until: Int = 15, maxRuns: Int? = nil, maxSlots: Int? = nil, again: Bool? = nil, key: String? = nil,
        trigger: String? = nil, every: Int? = nil
    ) -> OperatorAPI.StartBackfill {
        .init(
            environment: "dev", flow: "a", trigger: trigger, everySeconds: every, from: day(from), until: day(until),
            maxRuns: maxRuns, maxSlots: maxSlots, again: again, idempotencyKey: key)
    }

    func start(_ request: OperatorAPI.StartBackfill) async throws -> OperatorAPI.BackfillView {
        let view = try await backfills.start(request, by: .principal("ada")).backfill
        try await feeder.feed()
        return try await backfills.show(view.id)
    }

    /// Works off runs until there are none.
    func workOff(_ id: ID<Backfill>) async throws -> OperatorAPI.BackfillView {
        let agent = try await it.plane.agent()
        while true {
            let answer = try await agent.poll()
            guard let work = answer.assignments.first else { break }
            try await agent.succeed(work, output: "bronze.\(work.flow)")
            try await feeder.feed()
        }
        return try await backfills.show(id)
    }
}
