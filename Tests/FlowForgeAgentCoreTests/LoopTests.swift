import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import FlowForgeAgentCore

@Suite struct LoopTests {
    /// An agent in a folder, its control plane and what its tasks do.
    final class Stage: Sendable {
        let plane = TestPlane()
        let folder: URL
        let bundle: PackedBundle
        let spool: EventSpool
        let loop: AgentLoop
        let sender: ReportSender
        let journal: AttemptJournal
        let renewal = CertificateRenewal.Request()
        /// Attempts whose task runs now.
        let running = Mutex<Set<ID<Attempt>>>([])

        init(
            _ folder: URL, slots: Int = 2, grace: Duration = .seconds(30), timeout: String = "1m",
            whenCutOff: WhenCutOff = .finish, said: Said = Said(),
            backoff: Backoff = Backoff(draw: { _ in 0.02 }),
            task: @escaping @Sendable (TaskWork, any TaskReporting) async throws -> Void
        ) throws {
            self.folder = folder
            bundle = try testBundle(timeout: timeout, whenCutOff: whenCutOff, in: folder)
            plane.serve(bundle)
            spool = try EventSpool(folder: folder.appending(path: "spool"))
            journal = try AttemptJournal(folder: folder.appending(path: "attempts"))
            let running = Box()
            self.box = running
            let logger = Logger(label: "test") { _ in said }
            let lake = LakeFolder(root: folder.appending(path: "lake"))
            try FileManager.default.createDirectory(at: lake.root, withIntermediateDirectories: true)
            let context = AttemptContext(
                execute: { work, reporting in
                    running.set.withLock { _ = $0.insert(work.assignment.attempt) }
                    defer { running.set.withLock { _ = $0.remove(work.assignment.attempt) } }
                    do {
                        try await reporting.started(pid: 1)
                        try await task(work, reporting)
                        return .init(outcome: Task.isCancelled ? .cancelled : .succeeded, metrics: TaskMetrics())
                    } catch is CancellationError {
                        return .init(outcome: .cancelled, metrics: TaskMetrics())
                    } catch {
                        return .init(outcome: .failed, metrics: TaskMetrics(), error: AttemptRun.taskError(error))
                    }
                },
                cache: try BundleCache(folder: folder.appending(path: "bundles"), controlPlane: plane, maxBytes: 1 << 30),
                spool: spool, journal: journal, lake: lake, workspaces: folder.appending(path: "work"), logger: logger,
                backoff: Backoff(draw: { _ in 0.02 }))
            loop = AgentLoop(
                settings: .init(slots: slots, grace: grace), controlPlane: plane, engines: [.init(name: "command", version: "1")],
                context: context, desk: PublicationDesk(spool: spool, lake: lake, logger: logger), renewal: renewal,
                notifier: SystemNotifier(environment: [:], logger: logger), backoff: backoff)
            sender = ReportSender(
                spool: spool, controlPlane: plane, listener: loop, backoff: Backoff(draw: { _ in 0.02 }), logger: logger)
        }

        private final class Box: Sendable { let set = Mutex<Set<ID<Attempt>>>([]) }
        private let box: Box
        var busy: Set<ID<Attempt>> { box.set.withLock { $0 } }

        func assignment(lease: Double = 60) -> AgentAPI.Assignment {
            AgentAPI.Assignment(
                attempt: .make(), number: 1, lease: .make(), fencing: 7, leaseSeconds: lease, run: .make(), environment: "dev",
                bundle: bundle.reference, flow: "flow", task: "task", parameters: [:], variables: [:], inputs: [:], base: nil,
                runTime: .now)
        }

        func assign(_ assignments: AgentAPI.Assignment...) { plane.send(.init(serverTime: .now, assignments: assignments)) }

        /// The agent, for the time of `body`; then it is stopped as SIGTERM does.
        func running(_ body: () async throws -> Void) async throws {
            let group = ServiceGroup(
                configuration: .init(
                    services: [.init(service: sender), .init(service: loop)],
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
            async let ended: Void = group.run()
            do { try await body() } catch {
                await group.triggerGracefulShutdown()
                try? await ended
                throw error
            }
            await group.triggerGracefulShutdown()
            try await ended
        }
    }

    static let forever: @Sendable (TaskWork, any TaskReporting) async throws -> Void = { _, _ in
        try await Task.sleep(for: .seconds(600))
    }

    @Test func `an assignment runs in a workspace of its own and its end is reported`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder) { work, reporting in
                #expect(try DiskFile.mode(work.workspace) == 0o700)
                #expect(FileManager.default.isExecutableFile(atPath: work.bundleFolder.appending(path: "run.sh").path))
                for line in 0..<450 { try await reporting.log(.stdout, "line \(line)") }
            }
            let assignment = stage.assignment()
            try await stage.running {
                stage.assign(assignment)
                try await eventually { stage.plane.ends.count == 1 }
            }
            let end = try #require(stage.plane.ends.first)
            #expect(end.outcome == .succeeded && end.logLines == 450)
            let events = stage.plane.events
            #expect(events.map(\.number) == Array(1...Int64(events.count)))
            #expect(events.allSatisfy { $0.attempt == assignment.attempt && $0.lease == assignment.lease && $0.fencing == 7 })
            var next: Int64 = 0
            for case .log(let chunk) in events.map(\.body) {
                #expect(chunk.offset == next && chunk.lines.count <= 200)
                next += Int64(chunk.lines.count)
            }
            #expect(next == 450)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "work").path).isEmpty)
            #expect(try AttemptJournal(folder: folder.appending(path: "attempts")).leftovers.isEmpty)
        }
    }

    @Test func `two slots run two tasks, and the report of an end brings the next`() async throws {
        try await withTemporaryFolder { folder in
            let gate = PollWake()
            let first = Mutex<ID<Attempt>?>(nil)
            let stage = try Stage(folder) { work, _ in
                if first.withLock({ $0 == work.assignment.attempt }) {
                    await gate.wait()
                } else {
                    try await Task.sleep(for: .seconds(600))
                }
            }
            let (a, b) = (stage.assignment(), stage.assignment())
            first.withLock { $0 = a.attempt }
            try await stage.running {
                stage.assign(a, b)
                try await eventually { stage.busy.count == 2 }
                let c = stage.assignment()
                stage.plane.state.withLock { $0.next = [c] }
                gate.fire()
                // The poll under way is not needed for it.
                try await eventually { stage.busy == [b.attempt, c.attempt] }
                stage.plane.send(
                    .init(
                        serverTime: .now,
                        cancellations: [b, c].map { .init(attempt: $0.attempt, lease: $0.lease, reason: .runCancelled) }))
                try await eventually { stage.plane.ends.count == 3 }
            }
            #expect(stage.plane.ends.map(\.outcome) == [.succeeded, .cancelled, .cancelled])
        }
    }

    @Test func `leases are prolonged while a poll is held`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: Self.forever)
            let assignment = stage.assignment(lease: 3)
            try await stage.running {
                stage.assign(assignment)
                try await eventually { stage.plane.state.withLock { $0.polls.contains { $0.waitSeconds == 25 } } }
                try await eventually(10) {
                    stage.plane.state.withLock { $0.polls.contains { $0.waitSeconds == 0 && $0.leases.count == 1 } }
                }
                stage.plane.send(
                    .init(
                        serverTime: .now,
                        cancellations: [.init(attempt: assignment.attempt, lease: assignment.lease, reason: .runCancelled)]))
                try await eventually { stage.busy.isEmpty }
            }
        }
    }

    @Test func `a task that outlives its timeout is ended and called timed out`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, timeout: "1s", task: Self.forever)
            try await stage.running {
                stage.assign(stage.assignment())
                try await eventually { stage.plane.ends.count == 1 }
            }
            #expect(stage.plane.ends.first?.outcome == .timedOut && stage.plane.ends.first?.error?.code == "timed_out")
        }
    }

    @Test func `a lost lease ends the task and publishes no outcome`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, slots: 1, task: Self.forever)
            let assignment = stage.assignment()
            try await stage.running {
                stage.assign(assignment)
                try await eventually { stage.busy.count == 1 }
                stage.plane.send(
                    .init(
                        serverTime: .now,
                        cancellations: [.init(attempt: assignment.attempt, lease: assignment.lease, reason: .leaseLost)]))
                try await eventually { stage.busy.isEmpty }
                try await eventually { stage.plane.state.withLock { $0.polls.last?.freeSlots == 1 } }
            }
            #expect(stage.plane.ends.isEmpty)
        }
    }

    @Test func `a report under a stale lease ends the task`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder) { _, reporting in
                while true {
                    try await reporting.progress(.init(step: 1, steps: 2, label: "x"))
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            let assignment = stage.assignment()
            try await stage.running {
                stage.assign(assignment)
                try await eventually { stage.busy.count == 1 }
                stage.plane.state.withLock { $0.stale = [assignment.lease] }
                try await eventually { stage.busy.isEmpty }
            }
            #expect(stage.plane.ends.isEmpty)
        }
    }

    @Test func `when the line is cut a task finishes, and its outcome arrives when the line is back`() async throws {
        try await withTemporaryFolder { folder in
            let gate = PollWake()
            let stage = try Stage(folder) { _, _ in await gate.wait() }
            try await stage.running {
                stage.assign(stage.assignment(lease: 0.5))
                try await eventually { stage.busy.count == 1 }
                stage.plane.state.withLock {
                    $0.pollError = .unreachable("cut")
                    $0.reportErrors = [.unreachable("cut")]
                }
                let polls = stage.plane.state.withLock { $0.polls.count }
                try await eventually(10) { stage.plane.state.withLock { $0.polls.count > polls + 5 } }
                #expect(stage.busy.count == 1, "its lease has lapsed by now")
                gate.fire()
                try await eventually { stage.busy.isEmpty }
                stage.plane.state.withLock { $0.pollError = nil }
                try await eventually { stage.plane.ends.count == 1 }
            }
            #expect(stage.plane.ends.map(\.outcome) == [.succeeded])
        }
    }

    @Test func `when the line is cut a task that must not run twice is ended by the agent's own clock`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, whenCutOff: .stop, task: Self.forever)
            try await stage.running {
                stage.assign(stage.assignment(lease: 1.5))
                try await eventually { stage.busy.count == 1 }
                stage.plane.state.withLock { $0.pollError = .unreachable("cut") }
                try await eventually(10) { stage.busy.isEmpty }
                stage.plane.state.withLock { $0.pollError = nil }
            }
            #expect(stage.plane.ends.isEmpty)
        }
    }

    @Test func `a stop lets a running task finish within the grace`() async throws {
        try await withTemporaryFolder { folder in
            let gate = PollWake()
            let stage = try Stage(folder) { _, _ in await gate.wait() }
            try await stage.running {
                stage.assign(stage.assignment())
                try await eventually { stage.busy.count == 1 }
                // Released only after the stop has begun: the poll that follows it offers nothing.
                Task {
                    try await eventually { stage.plane.state.withLock { $0.polls.last?.freeSlots == 0 } }
                    gate.fire()
                }
            }
            #expect(stage.plane.ends.map(\.outcome) == [.succeeded])
        }
    }

    @Test func `a stop ends what is still running after the grace, and says so`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, grace: .milliseconds(300), task: Self.forever)
            try await stage.running {
                stage.assign(stage.assignment())
                try await eventually { stage.busy.count == 1 }
            }
            #expect(stage.plane.ends.map(\.outcome) == [.cancelled])
            #expect(stage.plane.ends.first?.error?.code == "agent_stopped")
        }
    }

    @Test func `an idle agent stops at once`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: Self.forever)
            var stopped = ContinuousClock.now
            try await stage.running {
                try await eventually { stage.plane.state.withLock { ($0.polls.last?.waitSeconds ?? 0) > 20 } }
                stopped = .now
            }
            #expect(ContinuousClock.now - stopped < .seconds(18), "its poll is held for 25 s")
        }
    }

    @Test func `a revoked agent stops with a reason`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: Self.forever)
            stage.plane.state.withLock { $0.pollError = .refused(APIError(.agentRevoked, "gone"), status: 403) }
            await #expect(throws: LinkError.self) { try await stage.loop.run() }
        }
    }

    @Test func `publications move the pointer and are confirmed once`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: Self.forever)
            let asset = try #require(AssetName("bronze.thing"))
            let snapshot = SnapshotReference(id: .make(), version: 1, location: "snapshots/x")
            let place = try LakeFolder(root: folder.appending(path: "lake")).snapshot(snapshot, of: asset, environment: "dev")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let publication = AgentAPI.Publication(environment: "dev", asset: asset, snapshot: snapshot)
            try await stage.running {
                for _ in 0..<3 { stage.plane.send(.init(serverTime: .now, publications: [publication])) }
                try await eventually { stage.plane.events.count >= 1 && stage.plane.state.withLock { $0.queued.isEmpty } }
            }
            let published = stage.plane.events.count { if case .published = $0.body { true } else { false } }
            #expect(published == 1)
        }
    }

    @Test func `an unknown task, bundle or environment fails the attempt with a reason`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: Self.forever)
            var (unknown, missing, escape) = (stage.assignment(), stage.assignment(), stage.assignment())
            unknown.task = "other"
            missing.bundle.digest = "sha256:" + String(repeating: "0", count: 64)
            escape.environment = "../../etc"
            try await stage.running {
                stage.assign(unknown, missing)
                try await eventually { stage.plane.ends.count == 2 }
                stage.assign(escape)
                try await eventually { stage.plane.ends.count == 3 }
            }
            let codes = Set(stage.plane.ends.compactMap(\.error?.code))
            #expect(codes == ["invalid_assignment", "bundle_unavailable"])
        }
    }
}
