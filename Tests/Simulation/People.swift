import FlowForgeDomain
import FlowForgeProtocol
import Foundation

@testable import FlowForgeOrchestration

/// Who starts runs, and now and then cancels one; asks again until there is an answer.
final class People: @unchecked Sendable {
    unowned let world: World
    private(set) var runs: [String: ID<Run>] = [:]
    private(set) var wanted = 0
    private var loop: EventLoop { world.loop }

    init(world: World) { self.world = world }

    /// Everything that was to be started is.
    var isDone: Bool { runs.count == wanted }

    func begin() {
        wanted = 1 + loop.chance.below(3)
        for number in 1...wanted {
            let flow = loop.chance.pick(["single", "single", "chain", "diamond"])
            loop.after(loop.chance.seconds(0...12)) { self.start("key-\(number)", flow: flow) }
        }
    }

    /// One more, when the weather is fine: it must meet no trouble.
    func startLast() {
        wanted += 1
        start("last", flow: "single")
    }

    private func start(_ key: String, flow: String) {
        if world.isOver { return }
        let isIgnored = world.sabotage == .ignoresIdempotencyKeys
        let request = OperatorAPI.StartRun(environment: Place.environment, flow: flow, idempotencyKey: isIgnored ? nil : key)
        var isAnswered = false
        let again = loop.after(loop.chance.seconds(1...5)) { if !isAnswered { self.start(key, flow: flow) } }
        guard !loop.chance.happens(0.1) else { return }
        _ = world.plane.take("start", { try await $0.starter.start(request, by: .principal("ada")).run }) { result in
            if case .failure(let error) = result { self.world.trace.note("people", "\(key) is refused: \(error)") }
            guard case .success(let run) = result, !self.loop.chance.happens(self.world.isCalm ? 0 : 0.1) else { return }
            isAnswered = true
            again.cancel()
            self.started(run.id, key: key, flow: flow)
        }
    }

    private func started(_ run: ID<Run>, key: String, flow: String) {
        world.trace.note("people", "started \(flow) \(run)")
        if let before = runs[key], before != run { world.fail("key \(key) started \(before) and \(run)") }
        if runs.updateValue(run, forKey: key) != nil { return }
        if loop.chance.happens(0.15) {
            loop.after(loop.chance.seconds(0...15)) { self.cancel(run) }
        }
    }

    private func cancel(_ run: ID<Run>) {
        if world.isOver { return }
        world.trace.note("people", "cancel \(run)")
        var isAnswered = false
        let again = loop.after(5) { if !isAnswered { self.cancel(run) } }
        _ = world.plane.take("cancel", { try await $0.starter.cancel(run, by: .principal("ada")) }) { result in
            guard case .success = result else { return }
            isAnswered = true
            again.cancel()
        }
    }
}
