internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Does one step of a promotion, or undoes it, in one transaction with its entry in the journal. Whatever
/// ends the control plane, the promotion stands where its last transaction left it, and is taken up there.
struct PromotionDrive {
    let session: Session
    let observers: [any ReleaseObserver]
    let runs: any PromotionRuns
    let pools: any PoolWaking
    /// The serial of the environment when its plan was found to be current; a switch wants no other.
    var checkedSerial: Int?

    enum Progress: Hashable, Sendable {
        /// There may be more to do at once.
        case moved
        /// Something else has to happen first.
        case waits
    }

    func advance(_ id: ID<Promotion>) throws -> Progress {
        guard let row = try session.promotions.find(id) else { throw StoreError.corrupt("promotion \(id) is gone") }
        switch row.lifecycle.next {
        case .perform(let step): return try perform(step, of: row)
        case .undo(let step): return try undo(step, of: row)
        case .wait, .nothing: return .waits
        }
    }

    // MARK: Doing

    private enum Outcome {
        case done(String)
        case waits(String)
        case failed(String)
    }

    private func perform(_ step: PromotionStep, of row: PromotionRow) throws -> Progress {
        let plan = try session.plans.required(row.plan).plan
        var new = row
        let outcome: Outcome
        do {
            outcome = try session.part { try perform(step, of: &new, plan) }.get()
        } catch let error as APIError where !error.isRetryable {
            new = row
            outcome = .failed(error.message)
        } catch StoreError.conflict(let message) {
            new = row
            outcome = .failed(message)
        }
        switch outcome {
        case .waits(let message):
            if message != row.message {
                new.message = message
                try session.promotions.update(new, from: row)
            }
            return .waits
        case .done(let message):
            _ = new.lifecycle.performed(step)
            new.message = message
            try session.promotions.note(row.id, .done, step: step, message: message)
            try session.promotions.update(new, from: row)
            if new.state == .succeeded { try finished(new) }
            return .moved
        case .failed(let message):
            _ = new.lifecycle.failed()
            new.message = message
            try session.promotions.note(row.id, .failed, step: step, message: message)
            try session.promotions.update(new, from: row)
            if new.state.isFinal { try finished(new) }
            return .moved
        }
    }

    private func perform(_ step: PromotionStep, of row: inout PromotionRow, _ plan: Plan) throws -> Outcome {
        switch step {
        case .hold:
            try session.promotions.hold(environment: row.environment, bundle: row.bundle, for: row.id)
            return .done("no run of '\(row.bundle)' starts")
        case .drain: return try drain(row)
        case .switch: return try makeSwitch(&row, plan)
        case .compute: return try compute(row, plan)
        case .verify: return try verify(row, plan)
        case .release:
            try letGo(row)
            return .done("")
        case .unknown: return .failed("the step is not known to this version")
        }
    }

    private func drain(_ row: PromotionRow) throws -> Outcome {
        let open = try session.promotions.openRuns(environment: row.environment, bundle: row.bundle)
        guard let first = open.first else { return .done("no run goes on") }
        guard row.stepSince + row.drainSeconds > session.now else {
            return .failed("\(first) has not ended within \(Int(row.drainSeconds)) s")
        }
        return .waits("waiting for \(open.count == 1 ? "\(first)" : "\(open.count) runs") to end")
    }

    private func makeSwitch(_ row: inout PromotionRow, _ plan: Plan) throws -> Outcome {
        let environment = try session.environments.usable(row.environment)
        guard checkedSerial == environment.serial else { return .waits("looking at the environment once more") }
        if plan.mode == .virtual, let source = row.source {
            let there = try session.releases.current(environment: source, bundle: row.bundle)
            guard there?.bundle.digest == plan.bundle.digest else {
                return .failed("'\(source)' no longer has \(plan.bundle.name)@\(plan.bundle.version)")
            }
        }
        let manifest = try session.bundles.requiredManifest(plan.bundle)
        var config = environment.releaseConfig
        if let target = row.target, let former = try session.releases.find(target)?.config { config = former }
        let release = try ReleaseSwitch(session: session, observers: observers).perform(
            plan.bundle, in: environment, config: config.seen(by: manifest), mode: plan.mode, promotion: row.id,
            by: .requester(row))
        row.release = release.id
        var moved = 0
        if plan.mode == .virtual {
            moved = try movePointers(of: row, plan, manifest, environment)
        } else {
            for asset in try outputs(of: plan).subtracting(manifest.outputs) {
                try session.assets.withdraw(asset, environment: environment.name)
            }
        }
        if row.kind == .demote, let from = plan.from {
            try session.plans.demote(from.digest, environment: row.environment, reason: row.reason, by: row.requestedBy)
        }
        let tables = plan.mode == .virtual ? ", \(moved) tables point to it" : ""
        return .done("\(plan.bundle.name)@\(plan.bundle.version) is the current release\(tables)")
    }

    /// Points the environment's tables at those of the source, or where the release to return to had them.
    private func movePointers(
        of row: PromotionRow, _ plan: Plan, _ manifest: Manifest, _ environment: EnvironmentRow
    ) throws -> Int {
        let wanted =
            if let target = row.target {
                try session.releases.pointers(of: target)
            } else if let source = row.source {
                try session.publications.pointers(environment: source, assets: manifest.outputs)
            } else {
                throw APIError(.conflict, "nothing says where the tables are to point")
            }
        return try PointerMoves(session: session, pools: pools).move(to: wanted, in: environment, of: outputs(of: plan))
    }

    /// Of the bundle that comes and of the one that goes.
    private func outputs(of plan: Plan) throws -> Set<AssetName> {
        try [plan.bundle, plan.from].compactMap(\.self).reduce(into: []) {
            $0.formUnion(try session.bundles.requiredManifest($1).outputs)
        }
    }

    /// Runs each flow whose tables are to be made, once those are there that it reads.
    private func compute(_ row: PromotionRow, _ plan: Plan) throws -> Outcome {
        let flows = Set(plan.content.recompute.map(\.flow))
        guard !flows.isEmpty else { return .done("nothing to compute") }
        var (succeeded, open): (Set<String>, Set<String>) = ([], [])
        for id in try session.promotions.runs(of: row.id) {
            guard let run = try session.runs.find(id) else { throw StoreError.corrupt("run \(id) is gone") }
            switch run.state {
            case .succeeded: succeeded.insert(run.flow)
            case .failed: return .failed("\(id) failed")
            case .cancelled: return .failed("\(id) was cancelled")
            default: open.insert(run.flow)
            }
        }
        let left = flows.subtracting(succeeded).subtracting(open)
        let needs = try session.bundles.requiredManifest(plan.bundle).flowsRead
        var ready = left.filter { needs[$0, default: []].intersection(flows).isSubset(of: succeeded) }
        // Flows that read each other's tables have no order.
        if ready.isEmpty, open.isEmpty { ready = left }
        for flow in ready.sorted() {
            let reference = FlowReference(environment: row.environment, bundle: row.bundle, flow: flow)
            try session.promotions.addRun(
                try runs.start(reference, for: row.id, by: .requester(row), in: session), to: row.id)
            try session.promotions.note(row.id, .began, step: .compute, message: "flow \(flow)")
        }
        open.formUnion(ready)
        guard open.isEmpty else { return .waits("running \(open.sorted().joined(separator: ", "))") }
        return .done("\(flows.count == 1 ? "the run" : "all \(flows.count) runs") succeeded")
    }

    private func verify(_ row: PromotionRow, _ plan: Plan) throws -> Outcome {
        let current = try session.releases.current(environment: row.environment, bundle: row.bundle)
        guard current?.id == row.release else { return .failed("another release took its place") }
        if plan.mode == .physical, !(try session.promotions.runs(of: row.id)).isEmpty {
            let assets = Set(plan.content.recompute.map(\.asset))
            let there = Set(try session.publications.pointers(environment: row.environment, assets: assets).map(\.asset))
            if let missing = assets.subtracting(there).sorted().first { return .failed("\(missing) was not published") }
        }
        return .done("as planned")
    }

    private func letGo(_ row: PromotionRow) throws {
        try session.promotions.letGo(environment: row.environment, bundle: row.bundle)
        session.whenCommitted { [runs] in runs.letGo() }
    }

    // MARK: Undoing

    private func undo(_ step: PromotionStep, of row: PromotionRow) throws -> Progress {
        let plan = try session.plans.required(row.plan).plan
        var new = row
        // Runs of the release that is taken back must not publish over what is put back.
        let open = try session.promotions.openRuns(environment: row.environment, bundle: row.bundle)
        if [.switch, .compute].contains(step), !open.isEmpty {
            for run in open where try session.runs.state(run) != .cancelling {
                try runs.cancel(run, by: .system("promotion"), in: session)
            }
            let still = try session.promotions.openRuns(environment: row.environment, bundle: row.bundle)
            guard still.isEmpty else { return .waits }
        }
        switch step {
        case .switch: try undoSwitch(row, plan)
        case .hold: try letGo(row)
        case .drain, .compute, .verify, .release, .unknown: break
        }
        _ = new.lifecycle.undid(step)
        try session.promotions.note(row.id, .undone, step: step)
        try session.promotions.update(new, from: row)
        if new.state.isFinal { try finished(new) }
        return .moved
    }

    private func undoSwitch(_ row: PromotionRow, _ plan: Plan) throws {
        guard let id = row.release, let release = try session.releases.find(id) else { return }
        let environment = try session.environments.required(row.environment)
        let former = try plan.release.flatMap { try session.releases.find($0) }
        let pointers = try former.map { try session.releases.pointers(of: $0.id) } ?? []
        try ReleaseSwitch(session: session, observers: observers).takeBack(release, former: former)
        _ = try PointerMoves(session: session, pools: pools).move(to: pointers, in: environment, of: outputs(of: plan))
        if row.kind == .demote, let from = plan.from { try session.plans.readmit(from.digest, environment: row.environment) }
    }

    private func finished(_ row: PromotionRow) throws {
        try session.audit.append(
            actor: .requester(row), action: "promotion.\(row.state.rawValue)", subject: row.environment,
            detail: [
                "promotion": .string(row.id.description), "kind": .string(row.kind.rawValue), "plan": .string(row.plan),
                "message": .string(row.message),
            ])
    }
}

/// Moves the pointers of an environment's tables; what points there already is left alone.
struct PointerMoves {
    let session: Session
    let pools: any PoolWaking

    /// Tables of `outputs` that are not in `wanted` are taken out of the catalog: nothing makes them any more.
    /// Returns how many were moved.
    func move(to wanted: [ReleasePointer], in environment: EnvironmentRow, of outputs: Set<AssetName>) throws -> Int {
        let now = try session.publications.pointers(environment: environment.name, assets: outputs.union(wanted.map(\.asset)))
        let current = Dictionary(now.map { ($0.asset, $0) }) { $1 }
        // What made them ran elsewhere: here their lineage is what the release declares.
        let lineage = Dictionary(grouping: try session.releases.lineage(environment: environment.name), by: \.to.name)
        var moved = 0
        for pointer in wanted where current[pointer.asset] != pointer {
            let snapshot = SnapshotReference(
                id: pointer.snapshot, version: 0, location: pointer.location,
                home: pointer.home == environment.name ? nil : pointer.home)
            let published = try session.publications.point(
                snapshot, of: pointer.asset, environment: environment.name, pool: environment.pool, offerAt: session.now)
            try session.assets.point(published, of: pointer.asset, environment: environment.name)
            try session.lineage.declareEdges(
                to: pointer.asset, environment: environment.name, lineage["\(pointer.asset)"] ?? [], of: pointer.snapshot)
            moved += 1
        }
        for pointer in wanted where current[pointer.asset] == pointer {
            try session.assets.restore(pointer.asset, to: pointer.snapshot, environment: environment.name)
        }
        let kept = Set(wanted.map(\.asset))
        for asset in outputs.subtracting(kept) where current[asset] != nil {
            try session.assets.withdraw(asset, environment: environment.name)
        }
        if moved > 0 { session.whenCommitted { [pools] in pools.wake(pool: environment.pool) } }
        return moved
    }
}

extension Actor {
    /// Who asked for the promotion.
    static func requester(_ row: PromotionRow) -> Actor {
        row.requestedBy.hasPrefix("principal:")
            ? .principal(String(row.requestedBy.dropFirst("principal:".count))) : .system("promotion")
    }
}
