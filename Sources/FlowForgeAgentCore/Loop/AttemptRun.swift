import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Logging

/// One attempt from its assignment to its last report.
struct AttemptRun: Sendable {
    let assignment: AgentAPI.Assignment
    let context: AttemptContext
    /// Fired when the attempt is to end early; ``reason`` then says why.
    let end: EndSignal
    let reason: @Sendable () -> EndReason?
    /// Called when the task outlives its own limit.
    let timedOut: @Sendable () -> Void
    /// Called when the task turns out to be one that must not outlive its lease.
    let stopsWhenCutOff: @Sendable () -> Void
    /// Called when its processes are gone, before its outcome is spooled.
    let concluded: @Sendable () -> Void

    var held: AgentAPI.HeldLease {
        AgentAPI.HeldLease(lease: assignment.lease, attempt: assignment.attempt, fencing: assignment.fencing)
    }
    private var logger: Logger {
        var logger = context.logger
        logger[metadataKey: "run"] = "\(assignment.run)"
        logger[metadataKey: "attempt"] = "\(assignment.attempt)"
        logger[metadataKey: "task"] = "\(assignment.flow).\(assignment.task)"
        return logger
    }

    /// Returns when the attempt's outcome is spooled, or when there is nobody left to tell.
    ///
    /// - Returns: the number of the event that tells the outcome.
    func run() async -> Int64? {
        logger.info("attempt started", metadata: ["number": "\(assignment.number)", "bundle": "\(assignment.bundle.digest)"])
        let reporter = SpoolReporter(spool: context.spool, held: held, now: context.now)
        let ended = await endable(reporter)
        await reporter.settle()
        let finished = explained(ended, reporter)
        let isLost = reason() == .leaseLost
        concluded()
        var outcome: Int64?
        if isLost {
            reporter.mute()
            logger.warning("lease lost; the attempt was ended and is not reported")
        } else {
            outcome = await report(finished, reporter)
        }
        do { try context.journal.remove(assignment.attempt) } catch {
            // At the next start it is reported as dead once more, under a lease that is gone.
            logger.error("the journal cannot be written", metadata: ["reason": "\(error)"])
        }
        return outcome
    }

    /// The work, ended when ``end`` fires. It returns when its processes are gone.
    private func endable(_ reporter: SpoolReporter) async -> AgentAPI.Finished {
        await withTaskGroup(of: AgentAPI.Finished?.self) { group in
            group.addTask { await work(reporter) }
            group.addTask {
                await reporter.flushing(clock: context.clock)
                return nil
            }
            group.addTask {
                await end.wait()
                return nil
            }
            var finished: AgentAPI.Finished?
            while let result = await group.next() {
                if let result { finished = result }
                group.cancelAll()
            }
            return finished ?? AgentAPI.Finished(outcome: .cancelled, metrics: TaskMetrics())
        }
    }

    private func work(_ reporter: SpoolReporter) async -> AgentAPI.Finished {
        do {
            guard isPlainName(assignment.environment) else {
                throw TaskError(code: "invalid_assignment", message: "the environment's name is not a plain name")
            }
            try context.journal.add(held)
            let workspace = context.workspaces.appending(path: assignment.attempt.description)
            try DiskFile.makeFolder(workspace, mode: 0o700)
            defer { remove(workspace) }
            return try await context.cache.with(assignment.bundle.digest) { bundle in
                guard let task = bundle.manifest.flow(assignment.flow)?.task(assignment.task) else {
                    throw TaskError(
                        code: "invalid_assignment",
                        message: "bundle \(assignment.bundle.digest) has no task \(assignment.flow).\(assignment.task)")
                }
                if task.whenCutOff == .stop { stopsWhenCutOff() }
                let work = TaskWork(
                    assignment: assignment, task: task, manifest: bundle.manifest, bundleFolder: bundle.folder,
                    workspace: workspace, lake: try context.lake.following(assignment.storage))
                return await timed(work, reporter)
            }
        } catch {
            // The error of work that was ended says only that.
            let outcome: Outcome = Task.isCancelled ? .cancelled : .failed
            return AgentAPI.Finished(outcome: outcome, metrics: TaskMetrics(), error: Self.taskError(error))
        }
    }

    private func remove(_ workspace: URL) {
        do { try FileManager.default.removeItem(at: workspace) } catch {
            logger.warning("a workspace stays behind", metadata: ["folder": "\(workspace.path)", "reason": "\(error)"])
        }
    }

    /// The task, ended when its time is over.
    private func timed(_ work: TaskWork, _ reporter: SpoolReporter) async -> AgentAPI.Finished {
        await withTaskGroup(of: AgentAPI.Finished?.self) { group in
            group.addTask { await context.credentials.serving(work, reporter, logger: logger, context.execute) }
            group.addTask {
                do { try await context.clock.sleep(for: .seconds(work.task.timeoutSeconds)) } catch { return nil }
                timedOut()
                return nil
            }
            var finished: AgentAPI.Finished?
            while let result = await group.next() {
                if let result { finished = result }
                group.cancelAll()
            }
            return finished ?? AgentAPI.Finished(outcome: .cancelled, metrics: TaskMetrics())
        }
    }

    /// The runner knows that it was ended, not why.
    private func explained(_ finished: AgentAPI.Finished, _ reporter: SpoolReporter) -> AgentAPI.Finished {
        var finished = finished
        if let fault = reporter.fault {
            finished.outcome = .failed
            finished.output = nil
            finished.error = Self.taskError(fault)
            return finished
        }
        guard finished.outcome == .cancelled else { return finished }
        switch reason() {
        case .timedOut:
            finished.outcome = .timedOut
            finished.error = TaskError(
                code: "timed_out", message: "the task ran longer than its timeout allows",
                hint: "raise `timeout` in the manifest, or let the task do less", retryable: true)
        case .stopping, nil:
            finished.error = TaskError(
                code: "agent_stopped", message: "the agent was stopped while the task ran", retryable: true)
        case .runCancelled, .leaseLost:
            finished.error = TaskError(code: "cancelled", message: "the run was cancelled")
        }
        return finished
    }

    /// Tries until the outcome is on the disk, or the lease is gone and nobody waits for it.
    private func report(_ finished: AgentAPI.Finished, _ reporter: SpoolReporter) async -> Int64? {
        var backoff = context.backoff
        while reason() != .leaseLost {
            do {
                let number = try await reporter.conclude(finished)
                logger.info(
                    "attempt finished",
                    metadata: ["outcome": "\(finished.outcome.rawValue)", "error": "\(finished.error?.code ?? "none")"])
                return number
            } catch {
                logger.error("the outcome cannot be spooled", metadata: ["reason": "\(error)"])
                do { try await context.clock.sleep(for: backoff.next()) } catch { break }
            }
        }
        logger.error("the outcome was not reported; the lease is gone", metadata: ["outcome": "\(finished.outcome.rawValue)"])
        return nil
    }

    /// What went wrong around the task, as people and the control plane are told it.
    static func taskError(_ error: any Error) -> TaskError {
        let full = "free space on the agent; nothing of this attempt was published"
        switch error {
        case let error as TaskError: return error
        case let error as SpoolError where error.isFull:
            return TaskError(code: "disk_full", message: "the agent's disk is full: \(error)", hint: full, retryable: true)
        case let error as DiskError where error.isFull:
            return TaskError(code: "disk_full", message: "the agent's disk is full: \(error)", hint: full, retryable: true)
        case SpoolError.tooLarge, SpoolError.unencodable: return TaskError(code: "spool_failed", message: "\(error)")
        case let error as SpoolError: return TaskError(code: "spool_failed", message: "\(error)", retryable: true)
        case let error as DiskError: return TaskError(code: "agent_storage", message: "\(error)", retryable: true)
        case CacheError.untrusted:
            return TaskError(
                code: "untrusted_bundle", message: "\(error)",
                hint: "sign the bundle with a key that signatures.keys of agent.yaml names, and push the signature")
        case let error as CacheError: return TaskError(code: "invalid_bundle", message: "\(error)")
        case let error as BundleRefusal:
            return TaskError(code: "invalid_bundle", message: "\(error)", retryable: error.reason == .storage)
        case is CancellationError: return TaskError(code: "cancelled", message: "ended before the task began", retryable: true)
        case let error as LinkError:
            return TaskError(code: "bundle_unavailable", message: "the bundle cannot be fetched: \(error)", retryable: true)
        default: return TaskError(code: "agent_error", message: "\(error)", retryable: true)
        }
    }
}
