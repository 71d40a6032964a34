public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// What people do with backfills.
public struct Backfills: Sendable {
    private let store: Store
    private let wakeUps: WakeUps

    public init(store: Store, wakeUps: WakeUps) {
        self.store = store
        self.wakeUps = wakeUps
    }

    /// Runs are made by ``BackfillFeeder``, a few at a time; the first soon after this returns.
    public func start(
        _ request: OperatorAPI.StartBackfill, by actor: Actor
    ) async throws -> (backfill: OperatorAPI.BackfillView, created: Bool) {
        try await store.write { session in
            let (row, isNew) = try BackfillCreation(request: request, actor: actor, session: session).backfill()
            if isNew { session.whenCommitted { [wakeUps] in wakeUps.wakeBackfills() } }
            return (try Self.view(row, in: session), isNew)
        }
    }

    /// Newest first. `after` is the `next` of the page before.
    public func list(
        environment: String?, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OperatorAPI.BackfillView> {
        let before = try Cursor.id(Backfill.self, after)
        return try await store.read { session in
            let rows = try session.backfills.list(environment: environment, before: before, limit: limit + 1)
            let shown = rows.prefix(limit)
            return OperatorAPI.Page(
                items: try shown.map { try Self.view($0, in: session) },
                next: rows.count > limit ? shown.last?.id.description : nil)
        }
    }

    /// Throws ``APIError`` `not_found`.
    public func show(_ id: ID<Backfill>) async throws -> OperatorAPI.BackfillView {
        try await store.read { try Self.view(try $0.backfills.required(id), in: $0) }
    }

    /// Those that have had their turn, newest first.
    public func ticks(
        of id: ID<Backfill>, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OperatorAPI.BackfillTickView> {
        let before = try after.map { text in
            guard let time = WireCoding.time(text) else {
                throw APIError(
                    .invalidRequest, "'\(text.prefix(64))' is not where a page of this list ends",
                    hint: "pass the `next` of the page before as `after`")
            }
            return time
        }
        return try await store.read { session in
            _ = try session.backfills.required(id)
            let rows = try session.backfills.ticks(id, before: before, limit: limit + 1)
            let shown = rows.prefix(limit)
            return OperatorAPI.Page(
                items: shown.map {
                    OperatorAPI.BackfillTickView(
                        scheduledFor: $0.scheduledFor, run: $0.run, state: $0.state, reason: $0.reason)
                }, next: rows.count > limit ? shown.last.map { WireCoding.text($0.scheduledFor) } : nil)
        }
    }

    /// Starts no more runs, and cancels those that have not ended. One that is over stays as it is.
    public func cancel(_ id: ID<Backfill>, by actor: Actor) async throws -> OperatorAPI.BackfillView {
        try await store.write { session in
            let row = try session.backfills.required(id)
            if row.state == .running {
                try session.backfills.finish(id, as: .cancelled)
                try session.audit.append(actor: actor, action: "backfill.cancel", subject: id.description)
                session.whenCommitted { [wakeUps] in wakeUps.wakeBackfills() }
            }
        }
        // Where this ends early, the feeder goes on.
        while try await store.write({ try BackfillEnd(session: $0, wakeUps: wakeUps).tidy(id, by: actor) }) {}
        return try await show(id)
    }

    static func view(_ row: BackfillRow, in session: Session) throws -> OperatorAPI.BackfillView {
        let progress = try session.backfills.progress(row.id)
        return OperatorAPI.BackfillView(
            id: row.id, environment: row.environment, bundle: row.bundle, flow: row.flow, trigger: row.trigger,
            schedule: row.schedule.summary, from: row.from, until: row.until, maxRuns: row.maxRuns, maxSlots: row.maxSlots,
            again: row.again, state: row.state, total: row.total, succeeded: progress.runs[.succeeded] ?? 0,
            failed: progress.runs[.failed] ?? 0, cancelled: progress.runs[.cancelled] ?? 0, open: progress.open,
            skipped: progress.skipped, createdBy: row.createdBy, createdAt: row.createdAt, finishedAt: row.finishedAt)
    }
}

extension BackfillQueries {
    func required(_ id: ID<Backfill>) throws -> BackfillRow {
        guard let row = try find(id) else {
            throw APIError(.notFound, "there is no backfill \(id)", hint: "'flowforge backfill list' shows them")
        }
        return row
    }
}
