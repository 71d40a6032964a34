import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeOrchestration
@testable import FlowForgeStore

@Suite(.serialized) struct SimulationTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// `FLOWFORGE_SIMULATION_SEED` replays one schedule with its trace; `FLOWFORGE_SIMULATION_SCHEDULES`
    /// says how many to run.
    @Test func `whatever goes wrong, nothing is lost, nothing happens twice, and all comes to an end`() async throws {
        let stage = try await Stage()
        defer { stage.remove() }
        if let seed = Self.environment["FLOWFORGE_SIMULATION_SEED"].flatMap(UInt64.init) {
            let outcome = try await stage.run(seed, traces: true)
            print(outcome.trace.joined(separator: "\n"))
            print(
                "schedule \(seed): \(outcome.steps) steps, \(outcome.seconds) s, hash \(outcome.hash), \(outcome.violation ?? "no violation")"
            )
            #expect(outcome.violation == nil)
            return
        }
        let count =
            Self.environment["FLOWFORGE_SIMULATION_SCHEDULES"].flatMap(UInt64.init) ?? UInt64(FaultTally.rounds(200, long: 5000))
        var total: [String: Int] = [:]
        var steps = 0
        let clock = ContinuousClock()
        let begin = clock.now
        var failed = 0
        var seconds = 0.0, runs = 0
        let start = Self.environment["FLOWFORGE_SIMULATION_FIRST"].flatMap(UInt64.init) ?? 1
        for seed in start..<start + count {
            let outcome = try await stage.run(seed)
            for (kind, number) in outcome.faults {
                FaultTally.note("simulation.\(kind)", injected: number, survived: outcome.violation == nil ? number : 0)
            }
            if let violation = outcome.violation {
                failed += 1
                Issue.record(
                    "schedule \(seed): \(violation). Replay: FLOWFORGE_SIMULATION_SEED=\(seed) swift test --filter Simulation")
            }
            total.merge(outcome.faults, uniquingKeysWith: +)
            steps += outcome.steps
            seconds += outcome.seconds
            runs += outcome.runs
            if failed == 5 { break }
        }
        print(
            "\(count) schedules, \(steps) steps, \(Int(seconds)) virtual s, \(runs) runs in \(clock.now - begin); faults: \(total.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))"
        )
    }

    @Test(.enabled(if: FaultTally.isLong, "it takes minutes: see make faults"), arguments: Sabotage.allCases)
    func `what is broken on purpose is found out`(sabotage: Sabotage) async throws {
        let stage = try await Stage()
        defer { stage.remove() }
        for seed: UInt64 in 1...1500 {
            if let violation = try await stage.run(seed, sabotage: sabotage).violation {
                print("\(sabotage.rawValue): found by schedule \(seed): \(violation)")
                return
            }
        }
        Issue.record("1500 schedules did not find it")
    }

    @Test func `a seed repeats exactly`() async throws {
        let stage = try await Stage()
        defer { stage.remove() }
        for seed: UInt64 in 1...10 {
            let first = try await stage.run(seed, traces: true)
            let second = try await stage.run(seed, traces: true)
            let difference = zip(first.trace, second.trace).first { $0 != $1 }
            #expect(first.hash == second.hash, "\(String(describing: difference))")
        }
    }
}

/// What all schedules share, and the thread that they run on.
final class Stage: @unchecked Sendable {
    let folder: URL
    let bundles: Bundles
    let template: URL

    init() async throws {
        let memory = URL(filePath: "/dev/shm")
        let place = FileManager.default.isWritableFile(atPath: memory.path) ? memory : FileManager.default.temporaryDirectory
        folder = place.appending(path: "flowforge-simulation-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        bundles = try await Bundles(folder: folder)
        template = folder.appending(path: "template.db")
        let store = try Store(path: template.path)
        let bundles = bundles
        try await store.write { session in
            _ = try session.environments.insert(EnvironmentSpec(name: Place.environment, pool: Place.pool), by: "principal:test")
            let bundle = try session.bundles.insert(
                digest: bundles.reference.digest, manifest: bundles.manifest, bytes: 1, by: "principal:test")
            _ = try session.releases.insert(
                .make(), environment: Place.environment, bundle: bundle.reference,
                config: ReleaseConfig(pool: Place.pool, variables: [:]), by: "principal:test")
        }
        try store.close()
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    func run(_ seed: UInt64, traces: Bool = false, sabotage: Sabotage? = nil) async throws -> World.Outcome {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { [self] in
                continuation.resume(
                    with: Result {
                        try World(
                            seed: seed, bundles: bundles, folder: folder.appending(path: "schedule-\(seed)"), template: template,
                            traces: traces, sabotage: sabotage
                        ).run()
                    })
            }
            thread.stackSize = 16 << 20
            thread.start()
        }
    }
}
