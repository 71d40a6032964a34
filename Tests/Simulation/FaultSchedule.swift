import FlowForgeProtocol
import Foundation

@testable import FlowForgeStore

/// What goes wrong, and when.
struct FaultSchedule {
    unowned let world: World
    private var loop: EventLoop { world.loop }

    init(world: World) { self.world = world }

    func plan(until horizon: Double) {
        for agent in world.agents {
            agent.weather = LineWeather(
                loss: loop.chance.pick([0, 0, 0.03, 0.15]), duplication: loop.chance.pick([0, 0.05, 0.2]))
        }
        for _ in 0..<loop.chance.below(7) {
            loop.after(loop.chance.seconds(0...horizon)) { if !self.world.isCalm, !self.world.isOver { self.strike() } }
        }
    }

    private func strike() {
        let agent = loop.chance.pick(world.agents)
        switch loop.chance.below(12) {
        case 0:
            guard agent.isUp else { return }
            world.count("agent.kill")
            agent.crash()
            world.restart(agent)
        case 1: agent.disk.death = (1 + loop.chance.below(12), false)
        case 2: agent.disk.death = (1 + loop.chance.below(12), true)
        case 3:
            guard agent.isUp, !agent.isPaused else { return }
            world.count("agent.stopped")
            let process = agent.running?.process
            agent.pause(true)
            loop.after(loop.chance.seconds(1...120)) { [weak agent] in
                guard let agent, agent.running?.process === process, agent.isPaused else { return }
                agent.pause(false)
            }
        case 4, 5: cut([agent])
        case 6: cut(world.agents)
        case 7, 8:
            let point = loop.chance.pick(Store.FaultPoint.allCases)
            world.count("plane.crash")
            world.plane.trap = (point, nil)
            // Whatever the next transaction is; if there is none, it dies idle.
            loop.after(loop.chance.seconds(1...4)) {
                self.world.plane.trap = nil
                if !self.world.isCalm { self.world.plane.crash() }
            }
            loop.after(loop.chance.happens(0.2) ? loop.chance.seconds(20...100) : loop.chance.seconds(4...10)) {
                if !self.world.isOver { self.world.plane.start() }
            }
        case 9:
            world.count("plane.failed_commit")
            world.plane.trap = (
                loop.chance.pick(Store.FaultPoint.allCases), loop.chance.pick([StoreError.full, .busy, .failed("io")])
            )
        case 10:
            world.count("plane.clock_step")
            world.plane.step(by: loop.chance.pick([-90, -5, 2, 30, 120, 3600]))
        default:
            world.count("agent.full_disk")
            agent.disk.isFull = true
            loop.after(loop.chance.seconds(1...40)) { [weak agent] in agent?.disk.isFull = false }
        }
    }

    private func cut(_ agents: [AgentNode]) {
        world.count("network.cut")
        for agent in agents {
            agent.weather.isCut = true
            world.trace.note(agent.name, "is cut off")
            loop.after(loop.chance.happens(0.3) ? loop.chance.seconds(30...150) : loop.chance.seconds(1...20)) { [weak agent] in
                agent?.weather.isCut = false
            }
        }
    }
}
