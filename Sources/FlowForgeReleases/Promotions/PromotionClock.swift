internal import FlowForgeBundle
public import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging
public import ServiceLifecycle

/// Carries changes of environments out: asks the gates, takes the turn of each, does its steps. The one loop
/// of promotions; each step is a write of its own, so that whatever ends it, it goes on where it was.
public struct PromotionClock: Service {
    private let store: Store
    private let planner: Planner
    private let bell: Doorbell
    private let observers: [any ReleaseObserver]
    private let runs: any PromotionRuns
    private let pools: any PoolWaking
    private let inquiries: any InquiryAsking
    private let evidence: EvidenceSigner?
    private let logger: Logger
    private let clock: any Clock<Duration>

    /// While something is under way: runs end and gates open without a word.
    static let beat = Duration.milliseconds(500)
    static let idle = Duration.seconds(15)

    public init(
        store: Store, registry: BundleRegistry, bell: Doorbell, observers: [any ReleaseObserver],
        runs: any PromotionRuns, pools: any PoolWaking, inquiries: any InquiryAsking, evidence: EvidenceSigner? = nil,
        logger: Logger, clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.store = store
        planner = Planner(store: store, registry: registry)
        self.bell = bell
        self.observers = observers
        self.runs = runs
        self.pools = pools
        self.inquiries = inquiries
        self.evidence = evidence
        self.logger = logger
        self.clock = clock
    }

    /// Until graceful shutdown or cancellation.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var pause = Self.idle
                do { if try await advance() { pause = Self.beat } } catch {
                    logger.error("promotions could not go on", metadata: ["error": "\(error)"])
                    pause = .seconds(1)
                }
                await bell.wait(upTo: pause, on: clock)
            }
        }
    }

    /// Brings every change as far as it goes now. Returns whether one is under way.
    @discardableResult
    public func advance() async throws -> Bool {
        var isBusy = false
        for row in try await store.read({ try $0.promotions.open() }) {
            do {
                try await advance(row.id)
            } catch {
                logger.error("a promotion could not go on", metadata: ["promotion": "\(row.id)", "error": "\(error)"])
            }
            isBusy = true
        }
        return isBusy
    }

    private func advance(_ id: ID<Promotion>) async throws {
        while try await step(id) {}
    }

    /// One transaction of one change. Returns whether there may be more to do at once.
    func step(_ id: ID<Promotion>) async throws -> Bool {
        guard let row = try await store.read({ try $0.promotions.find(id) }) else { return false }
        switch row.state {
        case .waiting: return try await judge(id)
        case .queued:
            if try await judge(id) { return true }
            return try await begin(row)
        case .applying, .undoing:
            let serial = try await currentSerial(of: row)
            return try await store.write { session in
                try PromotionDrive(
                    session: session, observers: observers, runs: runs, pools: pools, checkedSerial: serial
                ).advance(id) == .moved
            }
        case .succeeded, .undone, .refused, .cancelled, .expired, .unknown: return false
        }
    }

    /// Whether its gates have moved it. It may wait for days: while nothing is to be noted, nothing is written.
    private func judge(_ id: ID<Promotion>) async throws -> Bool {
        let isDue = try await store.read { session in
            let (row, plan) = try Self.judged(id, in: session)
            let isLacking =
                try row.new.state.isFinal ? false : !Comparisons(session: session).lacking(for: plan, row.former).isEmpty
            return row.new != row.former || isLacking
        }
        guard isDue else { return false }
        return try await store.write { session in
            let (row, plan) = try Self.judged(id, in: session)
            if !row.new.state.isFinal { try Comparisons(session: session).ask(for: plan, row.former, through: inquiries) }
            guard row.new != row.former else { return false }
            try session.promotions.update(row.new, from: row.former)
            if row.new.state.isFinal {
                try session.audit.append(
                    actor: .system("promotion"), action: "promotion.\(row.new.state.rawValue)", subject: row.new.environment,
                    detail: ["promotion": .string(id.description), "message": .string(row.new.message)])
            }
            return row.new.state != row.former.state && !row.new.state.isFinal
        }
    }

    private static func judged(
        _ id: ID<Promotion>, in session: Session
    ) throws -> (row: (former: PromotionRow, new: PromotionRow), plan: PlanRow) {
        let row = try session.promotions.required(id)
        let plan = try session.plans.required(row.plan)
        var new = row
        guard row.state == .waiting || row.state == .queued else { return ((row, new), plan) }
        if plan.plan.expiresAt <= session.now {
            _ = new.lifecycle.expire()
            new.message = "the plan has expired"
        } else {
            let verdicts = try PromotionGates(session: session).verdicts(of: row, plan)
            _ = new.lifecycle.judged(verdicts.standing)
            new.message = message(verdicts)
        }
        return ((row, new), plan)
    }

    private static func message(_ verdicts: [GateVerdict]) -> String {
        let blocking = verdicts.filter(\.blocks)
        guard let first = blocking.first(where: \.denies) ?? blocking.first else { return "" }
        return "\(first.gate): \(first.message)" + (blocking.count > 1 ? " (and \(blocking.count - 1) more)" : "")
    }

    /// Takes its turn, if it is, and if the environment is still what was planned for.
    func begin(_ row: PromotionRow) async throws -> Bool {
        let isItsTurn = try await store.read { session in
            let isBusy = try session.promotions.isBusy(row.environment)
            let first = try session.promotions.open().first { $0.environment == row.environment && $0.state == .queued }
            return !isBusy && first?.id == row.id
        }
        guard isItsTurn else { return false }
        let moved = try await whatMoved(since: row)
        let proof = moved == nil ? try await prove(row) : nil
        return try await store.write { session in
            let current = try session.promotions.required(row.id)
            guard current.state == .queued, try !session.promotions.isBusy(row.environment) else { return false }
            var new = current
            var refusal = moved.map { "the world moved since the plan: \($0)" }
            if refusal == nil {
                // Somebody may have said no since the proof was made.
                guard try Self.judged(row.id, in: session).row.new.state == .queued else { return false }
                do {
                    try session.part { try proof?.record(by: .system("promotion"), in: session) }.get()
                } catch let error as APIError where !error.isRetryable {
                    refusal = "its evidence cannot be kept: \(error.message)"
                }
            }
            if let refusal {
                _ = new.lifecycle.refuse()
                new.message = refusal
            } else {
                _ = new.lifecycle.begin()
                new.message = ""
            }
            try session.promotions.update(new, from: current)
            return refusal == nil
        }
    }

    /// What the gates said when the change began, signed and attached to the bundle: a verification summary
    /// (https://slsa.dev/verification_summary/v1) whose policy is the plan.
    private func prove(_ row: PromotionRow) async throws -> Evidence? {
        guard let evidence else { return nil }
        let (plan, verdicts, now) = try await store.read { session in
            let plan = try session.plans.required(row.plan)
            return (plan, try PromotionGates(session: session).verdicts(of: row, plan), session.now)
        }
        return try await evidence.prepare(
            plan.plan.bundle.digest, predicateType: VerificationSummary.predicateType,
            predicate: VerificationSummary.predicate(of: row, plan, verdicts, at: now))
    }

    /// What is no longer as it was planned; `nil` where all of it is.
    private func whatMoved(since row: PromotionRow) async throws -> String? {
        let plan = try await store.read { try $0.plans.required(row.plan) }
        let serial = try await store.read { try $0.environments.required(row.environment).serial }
        if serial == plan.plan.baseSerial { return nil }
        return try await difference(plan, row)
    }

    private func difference(_ plan: PlanRow, _ row: PromotionRow) async throws -> String? {
        let config = try await store.read { session in try row.target.flatMap { try session.releases.find($0) }?.config }
        let now: Plan
        do {
            now = try await planner.plan(
                .init(
                    environment: row.environment, bundle: .digest(plan.plan.bundle.digest), mode: plan.plan.mode,
                    source: plan.plan.source, config: config, isReturn: row.target != nil))
        } catch let error as APIError where !error.isRetryable {
            return error.message
        }
        guard try now.contentDigest() != plan.contentDigest else { return nil }
        let fields = FieldDiff.changes(
            from: try JSONValue(encoding: plan.plan.compared), to: try JSONValue(encoding: now.compared)
        ).map(\.field)
        return fields.isEmpty ? "another plan would follow now" : fields.prefix(5).joined(separator: ", ")
    }

    /// The serial under which what was planned still holds; `nil` where it does not, which a switch waits for in vain:
    /// it is then refused by its own look.
    private func currentSerial(of row: PromotionRow) async throws -> Int? {
        guard row.lifecycle.next == .perform(.switch) else { return nil }
        let serial = try await store.read { try $0.environments.required(row.environment).serial }
        let plan = try await store.read { try $0.plans.required(row.plan) }
        if serial == plan.plan.baseSerial { return serial }
        guard let moved = try await difference(plan, row) else { return serial }
        try await store.write { session in
            let current = try session.promotions.required(row.id)
            guard current.lifecycle.next == .perform(.switch) else { return }
            var new = current
            _ = new.lifecycle.failed()
            new.message = "the world moved since the plan: \(moved)"
            try session.promotions.note(row.id, .failed, step: .switch, message: new.message)
            try session.promotions.update(new, from: current)
        }
        return nil
    }
}
