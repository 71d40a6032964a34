import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Synchronization
import Testing

@testable import FlowForgeOrchestration
@testable import FlowForgeReleases

@Suite(.timeLimit(.minutes(2))) struct PromotionTests {
    private let nightly = "    triggers:\n      nightly: {schedule: {cron: \"0 2 * * *\"}}\n"

    @Test func `a virtual promotion points the tables of the target at those of the source`() async throws {
        let fixture = try await PromotionFixture()
        let digest = try await fixture.release("1.0.0", extra: nightly)
        let view = try await fixture.request("promote", from: "qa")
        #expect(view.state == "waiting" && view.steps == ["hold", "drain", "switch", "verify", "release"])
        let done = try await fixture.settle(view.id, working: false)
        #expect(done.state == "succeeded" && done.done == done.steps, "\(done.message)")
        let (here, there) = (try await fixture.state(of: "prod"), try await fixture.state(of: "qa"))
        func pick(_ word: String, _ lines: [String]) -> [String] { lines.filter { $0.hasPrefix(word) } }
        #expect(pick("pointer", here).count == 2 && pick("pointer", here) == pick("pointer", there))
        #expect(pick("trigger", here).count == 1 && pick("trigger", here) == pick("trigger", there))
        #expect(pick("edge", here) == ["edge bronze.raw gold.sums"])
        let shown = try await fixture.environments.show("prod")
        #expect(shown.releases.map(\.bundle.digest) == [digest])
        #expect(try await fixture.plane.audited("promotion.succeeded").count == 1)
        #expect(try await fixture.plane.store.read { try $0.history.violations() }.isEmpty)
    }

    @Test func `a physical promotion runs the flows in the target, and what fails is undone`() async throws {
        let fixture = try await PromotionFixture(mode: .physical)
        try await fixture.release("1.0.0", extra: nightly)
        let first = try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        #expect(first.state == "succeeded" && first.runs.count == 1, "\(first.message)")
        let before = try await fixture.state(of: "prod")
        #expect(before.count { $0.hasPrefix("pointer") && $0.hasSuffix("prod") } == 2)

        var tables = PromotionFixture.tables
        tables["gold.sums"] = "SELECT id + 1 AS id FROM bronze.raw"
        tables["gold.more"] = "SELECT 2 AS id FROM gold.sums"
        try await fixture.release("1.1.0", tables)
        let second = try await fixture.request("promote", from: "qa")
        let undone = try await fixture.settle(second.id, failing: ["gold_more"])
        #expect(undone.state == "undone" && undone.message.contains("failed") && undone.done.isEmpty, "\(undone.message)")
        #expect(try await fixture.state(of: "prod") == before)
        #expect(undone.journal?.map(\.event).contains("undone") == true)
        #expect(try await fixture.plane.store.read { try $0.history.violations() }.isEmpty)
    }

    @Test func `a rollback returns to the very same state`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0", extra: nightly)
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        let before = try await fixture.state(of: "prod")
        try await fixture.release("2.0.0", ["bronze.raw": "SELECT 2 AS id", "gold.more": "SELECT id FROM bronze.raw"])
        let second = try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        let after = try await fixture.state(of: "prod")
        #expect(second.state == "succeeded" && after != before, "\(second.message)")
        let reason = try await refused { try await fixture.request("rollback") }
        #expect(reason?.message == "reason: missing")
        let back = try await fixture.settle(try await fixture.request("rollback", reason: "wrong totals").id)
        #expect(back.state == "succeeded", "\(back.message)")
        #expect(try await fixture.state(of: "prod") == before)
    }

    @Test func `what was demoted does not come back`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        try await fixture.release("1.1.0", ["bronze.raw": "SELECT 3 AS id", "gold.sums": "SELECT id FROM bronze.raw"])
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        let demoted = try await fixture.settle(try await fixture.request("demote", reason: "recalled").id)
        #expect(demoted.state == "succeeded" && demoted.bundle.version == "1.0.0")
        let error = try await refused { try await fixture.request("promote", from: "qa") }
        #expect(
            error?.code == .conflict && error?.message.contains("demoted") == true && error?.message.contains("recalled") == true)
    }

    @Test func `two changes of one bundle conflict, those of two queue`() async throws {
        let fixture = try await PromotionFixture(prod: .init(gates: [GateSpec(name: "two-eyes", rule: .approval(.init()))]))
        try await fixture.release("1.0.0")
        let first = try await fixture.request("promote", from: "qa")
        let same = try await fixture.request("promote", from: "qa")
        #expect(same.id == first.id)
        _ = try await fixture.push(try fixture.pack("mart", "1.1.0", ["bronze.raw": "SELECT 7 AS id"]))
        let plan = try await fixture.plans.make(.init(bundle: "mart@1.1.0"), environment: "prod", by: fixture.ann).plan
        let error = try await refused { try await fixture.request("apply", plan: plan.digest) }
        #expect(error?.code == .conflict && error?.metadata["promotion"] == first.id.description)

        let other = try fixture.pack("side", "1.0.0", ["silver.between": "SELECT 1 AS id"])
        try await fixture.push(other)
        let second = try await fixture.plans.make(.init(bundle: "side@1.0.0"), environment: "prod", by: fixture.ann).plan
        let queued = try await fixture.request("apply", bundle: nil, plan: second.digest, computes: false)
        for digest in [first.plan, second.digest] {
            _ = try await fixture.plans.approve(digest, .init(approves: true), by: fixture.bob)
        }
        // One is in its steps; the other waits for its turn.
        let clock = fixture.clock()
        while try await fixture.promotions.show(first.id).state != "applying" { _ = try await clock.step(first.id) }
        while try await clock.step(queued.id) {}
        #expect(try await fixture.promotions.show(queued.id).state == "queued")
        #expect(try await fixture.settle(first.id, working: false).state == "succeeded")
        #expect(try await fixture.settle(queued.id, working: false).state == "succeeded")
    }

    @Test func `a plan is applied as it is or not at all`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.push(try fixture.pack("mart", "1.0.0", PromotionFixture.tables))
        let plan = try await fixture.plans.make(.init(bundle: "mart@1.0.0"), environment: "prod", by: fixture.ann).plan
        let again = try await fixture.plans.make(.init(bundle: "mart@1.0.0"), environment: "prod", by: fixture.bob)
        #expect(!again.created && again.plan.digest == plan.digest && plan.hasChanges)
        // The world moves: another value of a variable that the bundle declares.
        _ = try await fixture.environments.override("size", of: "prod", with: .init(value: 9, reason: "load"), by: fixture.ann)
        let moved = try await fixture.plans.make(.init(bundle: "mart@1.0.0"), environment: "prod", by: fixture.ann)
        #expect(moved.plan.digest == plan.digest, "what was never released has no configuration to change")
        let view = try await fixture.settle(try await fixture.request("apply", plan: plan.digest, computes: false).id)
        #expect(view.state == "succeeded", "\(view.message)")

        let empty = try await fixture.plans.make(.init(bundle: "mart@1.0.0"), environment: "prod", by: fixture.ann).plan
        #expect(empty.isEmpty && !empty.hasChanges && empty.standing == "open")
        let nothing = try await refused { try await fixture.request("apply", plan: empty.digest) }
        #expect(nothing?.metadata["reason"] == "unchanged")

        _ = try await fixture.environments.override("size", of: "prod", with: .init(value: 10, reason: "load"), by: fixture.ann)
        let change = try await fixture.plans.make(.init(), environment: "prod", by: fixture.ann).plan
        let decoded = try change.plan.decoded(as: Plan.self)
        #expect(decoded.content.configuration == [.init(kind: .variable, name: "size", before: 9, after: 10)])
        let stale = try await fixture.request("apply", plan: change.digest, computes: false)
        _ = try await fixture.environments.override("size", of: "prod", with: .init(value: 11, reason: "load"), by: fixture.ann)
        let refusal = try await fixture.settle(stale.id)
        #expect(
            refusal.state == "refused" && refusal.message.contains("the world moved") && refusal.message.contains("configuration")
        )
        let unknown = try await refused { try await fixture.request("apply", plan: String(repeating: "0", count: 64)) }
        #expect(unknown?.code == .notFound)
    }

    @Test func `runs that go on are waited for, not for ever, and none starts meanwhile`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        try await fixture.release("1.1.0", ["bronze.raw": "SELECT 4 AS id", "gold.sums": "SELECT id FROM bronze.raw"])
        try await fixture.plane.start(bundle: "mart", flow: "build", environment: "prod")
        let before = try await fixture.state(of: "prod")
        let waiting = try await fixture.request("promote", from: "qa", drain: 60)
        var view = try await fixture.settle(waiting.id, working: false)
        #expect(view.state == "applying" && view.done == ["hold"] && view.message.contains("waiting for run_"))
        let error = try await refused { try await fixture.plane.start(bundle: "mart", flow: "build", environment: "prod") }
        #expect(error?.metadata["promotion"] == waiting.id.description)
        fixture.plane.time.advance(61)
        view = try await fixture.settle(waiting.id, working: false)
        #expect(view.state == "undone" && view.message.contains("has not ended within 60 s"))
        #expect(try await fixture.state(of: "prod") == before)

        let second = try await fixture.request("promote", from: "qa")
        #expect(try await fixture.settle(second.id, working: true).state == "succeeded")
        try await fixture.plane.start(bundle: "mart", flow: "build", environment: "prod")
    }

    @Test func `cancelling ends what has not begun and undoes what has`() async throws {
        let fixture = try await PromotionFixture(mode: .physical)
        try await fixture.release("1.0.0")
        let first = try await fixture.request("promote", from: "qa")
        #expect(try await fixture.promotions.cancel(first.id, by: fixture.bob).state == "cancelled")
        let before = try await fixture.state(of: "prod")
        let second = try await fixture.request("promote", from: "qa")
        let running = try await fixture.settle(second.id, working: false)
        #expect(running.state == "applying" && running.done == ["hold", "drain", "switch"] && running.runs.count == 1)
        #expect(try await fixture.promotions.cancel(second.id, by: fixture.bob).state == "undoing")
        let undone = try await fixture.settle(second.id)
        let after = try await fixture.state(of: "prod")
        #expect(undone.state == "undone" && after == before)
        let run = try await fixture.plane.run(try #require(running.runs.first))
        #expect(run.state == .cancelled)
    }

    /// What a crash is put into.
    enum Change: CaseIterable, Sendable { case virtual, physical, rollback, failing }

    /// A fault at each write of a change, before its body, before its commit and after it: what comes then
    /// knows only the store, goes on, and ends where an uninterrupted one does, having told the same.
    @Test(arguments: [Store.FaultPoint.beforeBody, .beforeCommit, .afterCommit], Change.allCases)
    func
        `a crash at any step of a promotion leaves it finished or undone, never between`(
            point: Store.FaultPoint, change: Change
        ) async throws
    {
        let expected = try await outcome(change, crashAt: nil, point).lines
        #expect(expected.first == (change == .failing ? "undone" : "succeeded"))
        var crash = 0
        while true {
            let (lines, crashed) = try await outcome(change, crashAt: crash, point)
            guard crashed else { break }
            #expect(lines == expected, "crash at write \(crash) of \(change)")
            crash += 1
        }
        #expect(crash > 5, "only \(crash) writes were hit")
    }

    private func outcome(
        _ change: Change, crashAt write: Int?, _ point: Store.FaultPoint
    ) async throws -> (lines: [String], crashed: Bool) {
        let faults = Mutex<(armed: Bool, left: Int, hit: Bool)>((false, 0, false))
        let mode: ReleaseMode = change == .physical || change == .failing ? .physical : .virtual
        let fixture = try await PromotionFixture(mode: mode) { at in
            guard at == point else { return }
            let crashes = faults.withLock { state in
                guard state.armed else { return false }
                state.left -= 1
                if state.left == -1 { state.hit = true }
                return state.left == -1
            }
            if crashes { throw Crash() }
        }
        let (id, before) = try await ask(for: change, in: fixture)
        if let write { faults.withLock { $0 = (true, write, false) } }
        for _ in 0..<60 {
            do { while try await fixture.clock().step(id) {} } catch is Crash {}
            faults.withLock { $0.armed = false }
            try await fixture.work(failing: change == .failing ? ["gold_more"] : [])
            let hit = faults.withLock { $0.hit }
            if write != nil, !hit { faults.withLock { $0.armed = true } }
            if try await fixture.promotions.show(id).isFinal { break }
        }
        let state = try await fixture.state(of: "prod")
        if let before { #expect(state == before, "\(change), crash at write \(write ?? -1)") }
        // Snapshots have new names in each run; which environment they lie in is what counts.
        let lines = state.map { line in
            line.hasPrefix("pointer")
                ? line.split(separator: " ").enumerated().filter { ![2, 3].contains($0.offset) }.map { String($0.element) }
                    .joined(separator: " ") : line
        }
        let view = try await fixture.promotions.show(id)
        let words = try await told(of: view, in: fixture)
        return ([view.state] + view.done + lines + words, faults.withLock { $0.hit })
    }

    /// Asks for it. `before`: what must be there again at its end.
    private func ask(
        for change: Change, in fixture: PromotionFixture
    ) async throws -> (id: ID<Promotion>, before: [String]?) {
        try await fixture.release("1.0.0")
        let first = try await fixture.request("promote", from: "qa").id
        if change == .virtual || change == .physical { return (first, nil) }
        try await fixture.settle(first)
        let before = try await fixture.state(of: "prod")
        var tables = PromotionFixture.tables
        tables["gold.sums"] = "SELECT id + 1 AS id FROM bronze.raw"
        tables["gold.more"] = "SELECT 2 AS id FROM gold.sums"
        try await fixture.release("1.1.0", tables)
        let second = try await fixture.request("promote", from: "qa").id
        guard change == .rollback else { return (second, before) }
        try await fixture.settle(second)
        return (try await fixture.request("rollback", reason: "wrong totals").id, before)
    }

    /// The journal without the names of runs, and how often the audit trail says what of changes and releases.
    private func told(of view: OperatorAPI.PromotionView, in fixture: PromotionFixture) async throws -> [String] {
        let journal = (view.journal ?? []).map { entry in
            let word = entry.event == "state" ? entry.message.prefix { $0 != ":" } : entry.step?[...] ?? ""
            return "journal \(entry.event) \(word)"
        }
        let actions = try await fixture.plane.store.read { try $0.audit.list(limit: 10_000) }.map(\.action).filter {
            $0.hasPrefix("promotion.") || $0.hasPrefix("release.")
        }
        let counts = Dictionary(grouping: actions) { $0 }.map { "audit \($0.key) \($0.value.count)" }
        return journal + counts.sorted()
    }

    private struct Crash: Error {}
}
