internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation
internal import Logging

/// One batch of reports, in one transaction.
struct ReportBatch {
    struct Note: Sendable {
        var level: Logger.Level
        var text: String
        var attempt: String
    }

    /// What leaves the transaction.
    struct Result: Sendable {
        var response = AgentAPI.ReportResponse(acknowledged: 0)
        var notes: [Note] = []
    }

    let session: Session
    let agent: AgentIdentity
    let settings: OrchestrationSettings
    let observers: [any CompletionObserver]
    var stager: RunStager
    /// The attempt that the last event was of, as it is stored.
    var lastAttempt: AttemptRow?
    /// Task and run of ``lastAttempt``, as they are stored, from its start until anything ends.
    private var lastWork: (task: TaskRow, run: RunRow)?
    /// Outcomes that were accepted.
    var accepted = 0
    /// As `result.response.stale`, to be looked up.
    private var stale: Set<ID<Lease>> = []
    static let mostEvents = 1000
    var result = Result()

    init(session: Session, agent: AgentIdentity, settings: OrchestrationSettings, observers: [any CompletionObserver]) {
        self.session = session
        self.agent = agent
        self.settings = settings
        self.observers = observers
        stager = RunStager(session: session, toleratedLosses: settings.toleratedLosses)
    }

    mutating func store(_ report: AgentAPI.ReportRequest) throws {
        let spool = try session.spools.find(report.spool)
        if let spool, spool.agent != agent.id {
            throw APIError(
                .forbidden, "spool \(report.spool) belongs to another agent",
                hint: "an agent's state folder must not be shared or copied; join this machine as a new agent",
                metadata: ["spool": report.spool.description])
        }
        guard report.events.count <= Self.mostEvents else {
            throw APIError(.tooLarge, "a report holds at most \(Self.mostEvents) events", hint: "send fewer at a time")
        }
        var last = spool?.last ?? 0
        var dropped: Int64 = 0
        for event in report.events where event.number > last {
            guard event.number == last + 1 else {
                throw try gap(before: event, expected: last + 1, spool: report.spool)
            }
            last = event.number
            if case .dropped(let report) = event.body { dropped += max(0, min(report.events, 1 << 40)) }
            try store(event)
        }
        try session.spools.advance(report.spool, of: agent.id, to: last, dropped: dropped)
        result.response.acknowledged = last
        if let offer = report.offer, accepted > 0 { try fill(offer) }
    }

    /// Work in the place of what has just finished: what waits next, often what the outcome has made
    /// ready, starts without another exchange.
    private mutating func fill(_ offer: AgentAPI.WorkOffer) throws {
        guard try session.agents.standing(of: agent.id) == .active else { return }
        var claiming = Claiming(session: session, agent: agent, settings: settings, wakes: stager.wakes)
        let room = try claiming.capacity(offer)
        let assignments = try claiming.claim(upTo: room, engines: Array(offer.engines.prefix(64)))
        claiming.wakes.free[agent.id] = room - assignments.count
        stager.wakes = claiming.wakes
        if !assignments.isEmpty { result.response.assignments = assignments }
    }

    /// What an agent is told whose events do not follow those that are stored. After a restoration that is
    /// nobody's mistake, and what lies between is lost: better said than guessed.
    private func gap(before event: AgentAPI.ReportEvent, expected: Int64, spool: ID<Spool>) throws -> APIError {
        var message = "event \(event.number) of spool \(spool) came where \(expected) was expected"
        var metadata = ["expected": String(expected), "got": String(event.number), "spool": spool.description]
        if let restored = try session.restorations.last() {
            let (madeAt, restoredAt) = (WireCoding.text(restored.madeAt), WireCoding.text(restored.restoredAt))
            message += "; the control plane was restored at \(restoredAt) from a backup made at \(madeAt), and what it had "
            message += "acknowledged in between is not known to it any more"
            metadata["restoredFrom"] = restored.backup
        }
        return APIError(
            .conflict, message, hint: "send the events from \(expected) on, in order; begin a new spool where they are gone",
            metadata: metadata)
    }

    private mutating func store(_ event: AgentAPI.ReportEvent) throws {
        switch event.body {
        case .published(let publication):
            if let run = try session.publications.confirm(publication, pool: agent.pool) { stager.wakes.runs.insert(run) }
        case .arrived(let arrival): try take(arrival, event)
        case .answered(let answered):
            if try !session.inquiries.accept(answered, from: agent.id) {
                note(.notice, "answer to inquiry \(answered.inquiry) ignored: it is not this agent's to answer any more", event)
            }
        case .dropped(let lost):
            note(.warning, "the agent's spool was full: \(lost.events) events were dropped", event)
        case .unknown(let type): note(.notice, "event of unknown type '\(type.prefix(64))' ignored", event)
        case .started, .log, .progress, .lineage, .finished:
            if let attempt = try currentAttempt(of: event) { try store(event, of: attempt) }
        }
    }

    private mutating func take(_ arrival: AgentAPI.Arrival, _ event: AgentAPI.ReportEvent) throws {
        var events = TriggerEvents(session: session)
        if try !FileArrivals(session: session).take(arrival, from: agent, events: &events) {
            note(.notice, "files for trigger \(arrival.trigger) ignored: another agent looks for them now", event)
        }
        if events.noted { stager.wakes.triggers = true }
    }

    private mutating func store(_ event: AgentAPI.ReportEvent, of attempt: AttemptRow) throws {
        switch event.body {
        case .started: try start(attempt)
        case .log(let chunk): try store(chunk, of: attempt)
        case .progress(let progress):
            try session.attempts.setProgress(attempt.id, progress)
            stager.wakes.runs.insert(attempt.run)
        case .lineage(let lineage): try session.lineage.append(lineage, attempt: attempt.id, run: attempt.run)
        case .finished(let finished):
            if finished.logLines != attempt.logLines {
                note(.warning, "\(finished.logLines) log lines were written and \(attempt.logLines) arrived", event)
            }
            try finish(attempt, finished)
        case .published, .arrived, .answered, .dropped, .unknown: break
        }
    }

    /// The event's attempt if it was made under the current lease; otherwise the event is dropped, and
    /// the first time that this happens to a lease is audited.
    private mutating func currentAttempt(of event: AgentAPI.ReportEvent) throws -> AttemptRow? {
        guard let id = event.attempt, let lease = event.lease, let fencing = event.fencing else {
            note(.warning, "event \(event.number) names no attempt and lease; ignored", event)
            return nil
        }
        let attempt = try lastAttempt.flatMap { $0.id == id ? $0 : nil } ?? session.attempts.find(id)
        if attempt?.id != lastAttempt?.id { lastWork = nil }
        lastAttempt = attempt
        let claim = LeaseClaim(lease: lease, fencing: fencing, agent: agent.id)
        if let attempt, attempt.lifecycle.accepts(claim) { return attempt }
        guard stale.insert(lease).inserted else { return nil }
        result.response.stale.append(lease)
        note(.warning, "report under a stale lease dropped", event)
        // Once for each attempt of the agent's own; of others' and invented ones there is no end.
        if let attempt, attempt.claim.agent == agent.id, try session.attempts.markStaleReport(id) {
            try session.audit.append(
                actor: agent.actor, action: "attempt.report", subject: id.description, outcome: .refused,
                detail: [
                    "code": .string(ErrorCode.staleLease.rawValue), "lease": .string(lease.description),
                    "fencing": .integer(fencing),
                ])
        }
        return nil
    }

    private mutating func start(_ attempt: AttemptRow) throws {
        var lifecycle = attempt.lifecycle
        guard lifecycle.started(under: attempt.claim) == .moved else { return }
        try session.deafness.started(agent.id)
        var (task, run) = try taskAndRun(of: attempt)
        try session.attempts.start(
            attempt.id, leaseUntil: session.now + settings.lease,
            deadline: (session.now + settings.deadlineGrace).addingTimeInterval(task.timeoutSeconds))
        var taskLifecycle = task.lifecycle
        lastAttempt?.state = lifecycle.state
        if taskLifecycle.started() { try session.tasks.move(task, to: taskLifecycle) }
        task.state = taskLifecycle.state
        try stager.attemptStarted(run: &run)
        lastWork = (task, run)
        try session.audit.append(
            actor: agent.actor, action: "attempt.start", subject: attempt.id.description,
            detail: ["run": .string(run.id.description), "task": .string(task.name)])
    }

    /// Lines that are there already are left out, and lines that are missing are told of in their place.
    private mutating func store(_ chunk: AgentAPI.LogChunk, of attempt: AttemptRow) throws {
        // No log is longer; and a number that is made up must not overflow those that are counted.
        let offset = max(0, min(chunk.offset, 1 << 48))
        let known = max(0, attempt.logLines - offset)
        var lines = chunk.lines.dropFirst(Int(min(known, Int64(chunk.lines.count)))).map { line in
            var line = line
            line.text = Self.cut(line.text)
            return line
        }
        guard !lines.isEmpty else { return }
        let gap = max(0, offset - attempt.logLines)
        if gap > 0 {
            let text = "\(gap) log lines before this one were lost on the agent"
            lines.insert(LogLine(at: lines[0].at, stream: .system, text: text), at: 0)
        }
        // The line that tells of the gap is one that the agent did not count.
        lastAttempt = nil
        try session.logs.append(lines, gap: gap > 0 ? gap - 1 : 0, to: attempt)
        stager.wakes.logs.insert(attempt.run)
    }

    /// Agents cut long lines themselves; this is for those that do not.
    private static func cut(_ text: String) -> String {
        let limit = 16 << 10
        guard text.utf8.count > limit + 64 else { return text }
        return String(decoding: text.utf8.prefix(limit), as: UTF8.self) + " … (cut)"
    }

    /// What the attempt's start has left of them, or what is stored.
    mutating func taskAndRun(of attempt: AttemptRow) throws -> (TaskRow, RunRow) {
        defer { lastWork = nil }
        if let lastWork, lastWork.task.id == attempt.task { return lastWork }
        guard let task = try session.tasks.find(attempt.task), let run = try session.runs.find(attempt.run) else {
            throw StoreError.corrupt("attempt \(attempt.id) belongs to no task")
        }
        return (task, run)
    }

    mutating func note(_ level: Logger.Level, _ text: String, _ event: AgentAPI.ReportEvent) {
        result.notes.append(Note(level: level, text: text, attempt: event.attempt?.description ?? "-"))
    }
}
