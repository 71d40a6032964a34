import FlowForgeDomain
import FlowForgeProtocol
import Foundation

@testable import FlowForgeOrchestration
@testable import FlowForgeStore

/// Who sets limits, pauses flows and drains agents, and takes all of it back in time.
final class Operators: @unchecked Sendable {
    unowned let world: World
    private var loop: EventLoop { world.loop }
    /// What each of them is to be, by name, and the requests that make it so.
    private var wishes: [String: Wish] = [:]

    private struct Wish {
        var isOn = false
        var isBusy = false
        let change: @Sendable (PlaneNode.Services, _ isOn: Bool) async throws -> Void
    }

    init(world: World) { self.world = world }

    func plan(until horizon: Double) {
        for _ in 0..<loop.chance.below(4) {
            loop.after(loop.chance.seconds(0...horizon)) { if !self.world.isCalm, !self.world.isOver { self.act() } }
        }
    }

    /// Nobody is in the way of anything any more.
    func withdraw() { for name in wishes.keys.sorted() { wish(name, false) } }

    private func act() {
        let ada = Actor.principal("ada")
        switch loop.chance.below(3) {
        case 0:
            let (key, slots) = (loop.chance.pick(["pool:\(Place.pool)", "resource:warehouse"]), loop.chance.below(4))
            begin("limit \(key)") { services, isOn in
                if isOn {
                    _ = try await services.limits.set(key, to: slots, by: ada)
                } else {
                    try await services.limits.remove(key, by: ada)
                }
            }
        case 1:
            let flow = loop.chance.pick(["single", "chain", "diamond"])
            begin("pause \(flow)") { services, isOn in
                if isOn {
                    _ = try await services.flows.pause(flow, in: Place.environment, .init(reason: "storm"), by: ada)
                } else {
                    _ = try await services.flows.resume(flow, in: Place.environment, .init(), by: ada)
                }
            }
        default:
            let agent = loop.chance.pick(world.agents)
            begin("drain \(agent.name)") { [id = agent.identity.id] in try await $0.drain(id, $1) }
        }
    }

    private func begin(_ name: String, _ change: @escaping @Sendable (PlaneNode.Services, Bool) async throws -> Void) {
        guard wishes[name] == nil else { return }
        wishes[name] = Wish(change: change)
        world.count("operator.\(name.prefix { $0 != " " })")
        wish(name, true)
        loop.after(loop.chance.seconds(2...60)) { self.wish(name, false) }
    }

    private func wish(_ name: String, _ isOn: Bool) {
        world.trace.note("operators", "\(name): \(isOn)")
        wishes[name]?.isOn = isOn
        insist(name)
    }

    /// Asks until it is so. What is refused since it is so already is so.
    private func insist(_ name: String) {
        guard !world.isOver, let wish = wishes[name], !wish.isBusy else { return }
        wishes[name]?.isBusy = true
        let wanted = wish.isOn
        func answered(_ isDone: Bool) {
            wishes[name]?.isBusy = false
            if isDone, wishes[name]?.isOn == wanted { return }
            loop.after(2) { self.insist(name) }
        }
        let request = world.plane.take(name, { try await wish.change($0, wanted) }) { result in
            switch result {
            case .success: answered(true)
            case .failure(let error): answered((error as? APIError)?.code == .notFound)
            }
        }
        if request == nil { answered(false) }
    }
}
