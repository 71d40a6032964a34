internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

extension ReportBatch {
    /// The one place where an outcome is accepted. `attempt` holds a current lease.
    mutating func finish(_ attempt: AttemptRow, _ reported: AgentAPI.Finished) throws {
        let (task, stored) = try taskAndRun(of: attempt)
        var run = stored
        let finished = try checked(reported, of: task)
        var lifecycle = attempt.lifecycle
        guard lifecycle.finished(finished.outcome, under: attempt.claim) == .moved else { return }
        if attempt.state == .leased { try session.deafness.started(agent.id) }
        accepted += 1
        lastAttempt = nil

        var published: AcceptedCompletion.Published?
        if finished.outcome == .succeeded, let output = finished.output {
            published = .init(output: output, snapshot: try publish(output, task: task, run: run))
        }
        try session.attempts.finish(
            attempt.id, state: lifecycle.state, metrics: finished.metrics, checks: finished.checks,
            error: finished.error, snapshot: published?.snapshot)
        try audit(attempt, finished, task: task, run: run)
        if finished.outcome == .succeeded {
            let completion = AcceptedCompletion(
                run: run.id, environment: run.environment, task: task.name, attempt: attempt.id, agent: agent.id,
                fencing: attempt.claim.fencing, acceptedAt: session.now, published: published,
                lineage: try session.lineage.newestComplete(of: attempt.id))
            for observer in observers { try observer.completed(completion, in: session) }
        }
        // An attempt may end without its start having been heard of: it failed before there was a process.
        try stager.attemptStarted(run: &run)
        try stager.attemptEnded(.reported(finished.outcome, finished.error), task: task, run: run)
    }

    private mutating func publish(_ output: TaskOutput, task: TaskRow, run: RunRow) throws -> SnapshotReference {
        let snapshot = try session.publications.publish(
            output.snapshot, location: output.location, of: output.asset, environment: run.environment,
            pool: task.pool, offerAt: session.now + settings.publicationGrace)
        result.response.publications.append(
            AgentAPI.Publication(
                environment: run.environment, asset: output.asset, snapshot: snapshot,
                storage: try session.environments.storage(of: run.environment)))
        try session.audit.append(
            actor: agent.actor, action: "asset.publish", subject: output.asset.description,
            detail: [
                "environment": .string(run.environment), "run": .string(run.id.description),
                "snapshot": .string(snapshot.id.description), "version": .integer(Int64(snapshot.version)),
            ])
        return snapshot
    }

    private func audit(_ attempt: AttemptRow, _ finished: AgentAPI.Finished, task: TaskRow, run: RunRow) throws {
        var detail: [String: JSONValue] = [
            "run": .string(run.id.description), "task": .string(task.name),
            "outcome": .string(finished.outcome.rawValue),
        ]
        if let error = finished.error { detail["error"] = .string(error.code) }
        try session.audit.append(
            actor: agent.actor, action: "attempt.finish", subject: attempt.id.description, detail: detail)
    }

    /// A success that does not say what was written, or that wrote something else than its task was to
    /// write, is a failure; what is no success publishes nothing.
    private func checked(_ finished: AgentAPI.Finished, of task: TaskRow) throws -> AgentAPI.Finished {
        var finished = finished
        if finished.outcome == .unknown { finished.outcome = .failed }
        if finished.outcome == .succeeded, let expected = task.output,
            let problem = try problem(with: finished.output, expected: expected)
        {
            finished.outcome = .failed
            finished.error = TaskError(
                code: "invalid_report", message: problem, hint: "agent and control plane may not fit; compare versions")
        }
        if finished.outcome != .succeeded || task.output == nil { finished.output = nil }
        if finished.outcome == .failed, finished.error == nil {
            finished.error = TaskError(code: "unknown", message: "the agent gave no reason")
        }
        return finished
    }

    private func problem(with output: TaskOutput?, expected: AssetName) throws -> String? {
        guard let output else { return "the agent reported success without a snapshot of \(expected)" }
        if output.asset != expected {
            return "the agent reported a snapshot of \(output.asset) where \(expected) was to be written"
        }
        if !Self.isPlainLocation(output.location) { return "the agent reported a snapshot outside its asset's folder" }
        if try session.attempts.isPublished(output.snapshot) {
            return "the agent reported snapshot \(output.snapshot), which another attempt has published"
        }
        return nil
    }

    /// A relative path that stays where it is, since agents and readers join it to a folder's path.
    private static func isPlainLocation(_ location: String) -> Bool {
        let parts = location.split(separator: "/", omittingEmptySubsequences: false)
        return location.utf8.count <= 255
            && parts.allSatisfy { part in
                !part.isEmpty && part != "." && part != ".."
                    && part.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }
            }
    }
}
