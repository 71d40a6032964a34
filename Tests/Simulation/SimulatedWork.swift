import FlowForgeBundle
import FlowForgeProtocol
import Foundation

@testable import FlowForgeAgentCore

/// What a task's process does: talks, takes its time, and ends somehow.
struct SimulatedWork: Sendable {
    unowned let world: World
    unowned let agent: AgentNode

    func run(_ work: TaskWork, reporting: any TaskReporting) async -> AgentAPI.Finished {
        let loop = world.loop
        let clock = agent.clock
        world.trace.note(agent.name, "begins \(work.assignment.task)/\(work.assignment.number)")
        agent.world.working(work.assignment, on: agent, 1)
        defer { agent.world.working(work.assignment, on: agent, -1) }
        let lines = loop.chance.below(8)
        let fate = loop.chance.unit()
        do {
            try await clock.sleep(for: .seconds(loop.chance.seconds(0.001...0.2)))
            if fate < 0.03 { throw TaskError(code: "source_missing", message: "before it started", retryable: fate < 0.02) }
            try await reporting.started(pid: 1)
            for number in 0..<lines {
                if loop.chance.happens(0.3) { try await clock.sleep(for: .seconds(loop.chance.seconds(0.01...2))) }
                try await reporting.log(.stdout, "\(work.assignment.attempt) \(number)")
            }
            // Some hang until their timeout.
            let time =
                fate > 0.97 ? 10_000 : loop.chance.happens(0.1) ? loop.chance.seconds(20...100) : loop.chance.seconds(0.05...8)
            try await clock.sleep(for: .seconds(time))
            if fate < 0.12 { throw TaskError(code: "exit_code", message: "it failed", retryable: fate < 0.1) }
            return AgentAPI.Finished(outcome: .succeeded, metrics: TaskMetrics(), output: try output(of: work))
        } catch is CancellationError {
            // A process that takes its time to die.
            if loop.chance.happens(0.3) { await clock.oversleep(loop.chance.seconds(0.1...9)) }
            return AgentAPI.Finished(outcome: .cancelled, metrics: TaskMetrics())
        } catch {
            return AgentAPI.Finished(outcome: .failed, metrics: TaskMetrics(), error: AttemptRun.taskError(error))
        }
    }

    private func output(of work: TaskWork) throws -> TaskOutput? {
        guard let asset = work.task.output else { return nil }
        let snapshot = ID<Snapshot>.make()
        let location = "snapshots/\(snapshot)"
        let place = work.lake.asset(asset, environment: work.assignment.environment).appending(path: location)
        try DiskFile.makeFolder(place, mode: 0o755)
        return TaskOutput(asset: asset, snapshot: snapshot, location: location, rows: 1, bytes: 1, schema: [], statistics: [])
    }
}
