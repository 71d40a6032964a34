internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Turns a request into a backfill, in one transaction. Everything that would keep each of its runs from
/// being started is refused here.
struct BackfillCreation {
    /// Of one backfill; a longer range is several.
    static let mostTicks = 10_000

    let request: OperatorAPI.StartBackfill
    let actor: Actor
    let session: Session

    /// The backfill, and whether it is new.
    func backfill() throws -> (BackfillRow, Bool) {
        if let key = request.idempotencyKey, key.isEmpty || key.utf8.count > 255 {
            throw APIError(.invalidRequest, "idempotencyKey must be 1 to 255 bytes long", hint: "give a shorter one, or none")
        }
        guard let environment = try session.environments.find(request.environment) else {
            throw APIError(
                .notFound, "there is no environment '\(request.environment.prefix(80))'", hint: "see 'flowforge env list'")
        }
        if let key = request.idempotencyKey,
            let known = try session.backfills.find(environment: environment.name, idempotencyKey: key)
        {
            guard isSame(known) else {
                throw APIError(
                    .conflict, "idempotencyKey was used for another backfill, \(known.id)", hint: "use a new key for each",
                    metadata: ["backfill": known.id.description])
            }
            return (known, false)
        }
        let (bundle, manifest) = try bundle(in: environment)
        let (trigger, schedule) = try ticks(of: manifest)
        let parameters = request.parameters ?? trigger?.parameters ?? [:]
        try check(parameters, manifest)
        var row = BackfillRow(
            id: .make(at: session.now), environment: environment.name, bundle: bundle, flow: request.flow,
            trigger: trigger?.name, schedule: schedule, parameters: parameters, from: request.from, until: request.until,
            maxRuns: try number("maxRuns", request.maxRuns, 1...100, 4),
            maxSlots: try number("maxSlots", request.maxSlots, 1...1000, 1), again: request.again ?? false,
            total: try count(schedule), idempotencyKey: request.idempotencyKey, createdBy: actor.description,
            createdAt: session.now)
        row.request = withoutKey
        try session.backfills.insert(row)
        try session.limits.set(.backfill(row.id.description), slots: row.maxSlots, by: actor.description)
        try session.audit.append(
            actor: actor, action: "backfill.start", subject: row.id.description,
            detail: [
                "environment": .string(row.environment), "flow": .string("\(bundle)/\(row.flow)"),
                "from": .string(WireCoding.text(row.from)), "until": .string(WireCoding.text(row.until)),
                "ticks": .integer(Int64(row.total)), "again": .bool(row.again),
            ])
        return (row, true)
    }

    private var withoutKey: OperatorAPI.StartBackfill {
        var request = request
        request.idempotencyKey = nil
        return request
    }

    private func isSame(_ known: BackfillRow) -> Bool {
        if let then = known.request { return then == withoutKey }
        return known.flow == request.flow && known.from == request.from && known.until == request.until
            && (request.bundle ?? known.bundle) == known.bundle && (request.trigger ?? known.trigger) == known.trigger
            && (request.parameters ?? known.parameters) == known.parameters
    }

    private func bundle(in environment: EnvironmentRow) throws -> (String, Manifest) {
        var found: [(String, Manifest)] = []
        for release in try session.releases.current(environment: environment.name)
        where request.bundle == nil || request.bundle == release.bundle.name {
            guard let manifest = try session.bundles.manifest(digest: release.bundle.digest) else {
                throw StoreError.corrupt("release \(release.id) has no bundle")
            }
            if manifest.flow(request.flow) != nil { found.append((release.bundle.name, manifest)) }
        }
        guard let first = found.first else {
            throw APIError(
                .notFound, "no bundle deployed to environment '\(environment.name)' has a flow '\(request.flow.prefix(80))'",
                hint: "'flowforge env show \(environment.name)' shows what is deployed")
        }
        guard found.count == 1 else {
            let names = found.map(\.0).sorted().joined(separator: ", ")
            throw APIError(
                .conflict, "several bundles of environment '\(environment.name)' have a flow '\(request.flow)': \(names)",
                hint: "say which bundle", metadata: ["bundles": names])
        }
        return first
    }

    /// The schedule of a trigger without its start, end, blackouts and jitter, which are for live work;
    /// or even steps.
    private func ticks(of manifest: Manifest) throws -> (TriggerSpec?, Schedule) {
        guard request.from < request.until else {
            throw APIError(
                .invalidRequest, "until is not after from", hint: "the range is from 'from' on, up to but without 'until'")
        }
        guard request.until <= session.now else {
            throw APIError(
                .invalidRequest, "until: \(WireCoding.text(request.until)) is later than now, \(WireCoding.text(session.now))",
                hint: "a backfill is of the past; what is to come is fired by the flow's triggers",
                metadata: ["field": "until"])
        }
        if let seconds = request.everySeconds {
            guard request.trigger == nil else {
                throw APIError(.invalidRequest, "both trigger and everySeconds are given", hint: "give one of them")
            }
            return (
                nil,
                try made { () throws(ScheduleFault) in
                    try Schedule(.interval(Interval(seconds: seconds, anchor: request.from)))
                }
            )
        }
        let schedules = (manifest.flow(request.flow)?.triggers ?? []).filter { $0.schedule != nil }
        let named = schedules.filter { request.trigger == nil || $0.name == request.trigger }
        guard let trigger = named.first, let schedule = trigger.schedule else {
            throw APIError(
                .notFound,
                request.trigger.map { "flow '\(request.flow)' has no schedule trigger '\($0.prefix(80))'" }
                    ?? "flow '\(request.flow)' has no schedule trigger",
                hint: schedules.isEmpty
                    ? "say how far apart the ticks are with everySeconds (--every)"
                    : "it has \(schedules.map { "'\($0.name)'" }.joined(separator: ", "))")
        }
        guard named.count == 1 else {
            throw APIError(
                .conflict, "flow '\(request.flow)' has several schedule triggers: \(named.map(\.name).joined(separator: ", "))",
                hint: "say which with trigger (--trigger)")
        }
        return (
            trigger,
            try made { () throws(ScheduleFault) in try Schedule(schedule.cadence, zone: schedule.zone, dst: schedule.dst) }
        )
    }

    private func made(_ make: () throws(ScheduleFault) -> Schedule) throws -> Schedule {
        do throws(ScheduleFault) { return try make() } catch {
            throw APIError(.invalidRequest, error.message, hint: error.hint ?? "see docs/triggers.md")
        }
    }

    private func count(_ schedule: Schedule) throws -> Int {
        var (count, tick) = (0, request.from.addingTimeInterval(-1))
        while let next = schedule.next(after: tick), next < request.until {
            count += 1
            tick = next
            guard count <= Self.mostTicks else {
                throw APIError(
                    .invalidRequest, "there are more than \(Self.mostTicks) ticks between from and until",
                    hint: "make it several backfills")
            }
        }
        guard count > 0 else {
            throw APIError(.invalidRequest, "there is no tick between from and until", hint: "choose a longer range")
        }
        return count
    }

    private func check(_ parameters: [String: JSONValue], _ manifest: Manifest) throws {
        do throws(ParameterBindingError) {
            _ = try ParameterBinder.bind(specs: manifest.parameters, values: parameters)
        } catch {
            throw APIError(
                .invalidRequest, "parameters of flow '\(request.flow)': \(error)",
                hint: "the bundle's flowforge.yaml declares its parameters with their types")
        }
    }

    private func number(_ field: String, _ value: Int?, _ range: ClosedRange<Int>, _ standard: Int) throws -> Int {
        let value = value ?? standard
        guard range.contains(value) else {
            throw APIError(
                .invalidRequest, "\(field): \(value)", hint: "from \(range.lowerBound) to \(range.upperBound) is allowed")
        }
        return value
    }
}
