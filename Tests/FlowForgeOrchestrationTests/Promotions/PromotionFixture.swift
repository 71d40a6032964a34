import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Logging

@testable import FlowForgeOrchestration
@testable import FlowForgeReleases

/// A control plane with environments `dev` → `qa` → `prod` on one pool, and an agent that does what it is given.
final class PromotionFixture: Sendable {
    let plane: ControlPlane
    let agent: TestAgent
    let registry: BundleRegistry
    let environments: Environments
    let deployments: Deployments
    let plans: Plans
    let promotions: Promotions
    let drifts: Drifts
    let evidence: EvidenceSigner
    let ann = Actor.principal("ann")
    let bob = Actor.principal("bob")

    init(
        prod: EnvironmentSpec.Protection = .init(), mode: ReleaseMode = .virtual, soak: Double = 0,
        fault: (@Sendable (Store.FaultPoint) throws -> Void)? = nil
    ) async throws {
        plane = try await ControlPlane(fault: fault)
        agent = try await plane.agent()
        registry = try BundleRegistry(store: plane.store, folder: plane.folder.appending(path: "registry"), logger: Self.logger)
        environments = Environments(store: plane.store)
        let observers = [TriggerDeployment(wakeUps: plane.wakeUps)]
        deployments = Deployments(store: plane.store, observers: observers)
        evidence = EvidenceSigner(key: SigningKey(.ed25519), registry: registry)
        let bell = Doorbell()
        plans = Plans(store: plane.store, registry: registry, bell: bell)
        promotions = Promotions(store: plane.store, registry: registry, bell: bell)
        drifts = Drifts(
            store: plane.store, observers: observers,
            runs: PromotionStarter(wakeUps: plane.wakeUps, settings: OrchestrationSettings()), pools: plane.wakeUps,
            inspector: LakeInspector(inquiries: Inquiries(wakeUps: plane.wakeUps)))
        try await apply(
            EnvironmentSpec(
                name: "qa", tier: "qa", upstream: [.init(environment: "dev")], pool: ControlPlane.pool, mode: .physical))
        try await apply(
            EnvironmentSpec(
                name: "prod", tier: "prod", upstream: [.init(environment: "qa", soakSeconds: soak)], pool: ControlPlane.pool,
                protection: prod, mode: mode))
    }

    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// As after a restart: it knows only what the store has.
    func clock() -> PromotionClock {
        PromotionClock(
            store: plane.store, registry: registry, bell: Doorbell(),
            observers: [TriggerDeployment(wakeUps: plane.wakeUps)],
            runs: PromotionStarter(wakeUps: plane.wakeUps, settings: OrchestrationSettings()), pools: plane.wakeUps,
            inquiries: Inquiries(wakeUps: plane.wakeUps), evidence: evidence, logger: Self.logger)
    }

    func apply(_ spec: EnvironmentSpec) async throws {
        _ = try await environments.apply(.init(spec: try JSONValue(encoding: spec)), name: spec.name, by: ann)
    }

    /// `tables`: name to query; a query that names another of them, or one of `external`, in `FROM` reads it. Of `lock`
    /// the columns and the lineage count.
    func pack(
        _ name: String = "mart", _ version: String, _ tables: [String: String], extra: String = "", external: [String] = [],
        lock: BundleLock? = nil
    ) throws -> PackedBundle {
        let source = plane.folder.appending(path: "source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        var text = "bundle: {name: \(name), version: \(version)}\nvariables:\n  size: {type: integer, default: 1}\n"
        if !external.isEmpty { text += "external: [\(external.joined(separator: ", "))]\n" }
        text += "flows:\n  build:\n\(extra)    tasks:\n"
        let readable = Array(tables.keys) + external
        for (table, query) in tables.sorted(by: { $0.key < $1.key }) {
            let task = table.replacingOccurrences(of: ".", with: "_")
            let inputs = readable.filter { query.contains("FROM \($0)") }.sorted()
            let layer = table.prefix { $0 != "." }
            text += "      \(task):\n        layer: \(layer)\n        sql: \(task).sql\n        output: \(table)\n"
            if !inputs.isEmpty { text += "        inputs: [\(inputs.joined(separator: ", "))]\n" }
            try Data(query.utf8).write(to: source.appending(path: "\(task).sql"))
        }
        try Data(text.utf8).write(to: source.appending(path: "flowforge.yaml"))
        if let lock { try lock.sealed(for: source).text.write(to: source.appending(path: BundleLock.fileName)) }
        return try BundleBuilder.build(BundleFolder(source))
    }

    @discardableResult
    func push(_ bundle: PackedBundle) async throws -> String {
        for blob in bundle.blobs { _ = try await registry.putBlob(blob.descriptor.digest, from: Whole(blob.bytes)) }
        _ = try await registry.push(digest: bundle.digest, by: ann)
        return bundle.digest
    }

    static let tables = ["bronze.raw": "SELECT 1 AS id", "gold.sums": "SELECT id FROM bronze.raw"]
    /// Of ``tables``, as the agent makes them.
    static let lock = BundleLock("bronze.raw(id BIGINT)", "gold.sums(id BIGINT) id<bronze.raw.id")

    /// Packs, pushes, deploys to `environment` and runs it there.
    @discardableResult
    func release(
        _ version: String, _ tables: [String: String] = PromotionFixture.tables, to environment: String = "qa",
        extra: String = "", lock: BundleLock? = nil
    ) async throws -> String {
        let digest = try await push(try pack("mart", version, tables, extra: extra, lock: lock))
        _ = try await deployments.deploy(.init(bundle: digest), environment: environment, by: ann)
        try await plane.start(bundle: "mart", flow: "build", environment: environment)
        try await work()
        return digest
    }

    /// Does every task that there is, one after the other, and moves the pointers that it is told of; `failing` end badly.
    func work(failing: Set<String> = [], columns: [String] = ["id"]) async throws {
        while true {
            let answer = try await agent.poll()
            try await confirm(answer.publications)
            guard let assignment = answer.assignments.first else { return }
            if failing.contains(assignment.task) {
                try await agent.report(.started(.init(pid: 1)), .finished(agent.failure()), of: assignment)
            } else {
                let output = assignment.task.replacing("_", with: ".", maxReplacements: 1)
                try await confirm(try await agent.succeed(assignment, output: output, columns: columns).publications)
            }
        }
    }

    /// The agent has moved the pointer files.
    private func confirm(_ publications: [AgentAPI.Publication]) async throws {
        for publication in publications { try await agent.report(.published(publication), of: nil) }
    }

    /// The agent says of every table that it is asked about that it is in this state. Returns what it was asked.
    @discardableResult
    func inspect(_ state: InspectResult.State = .ok) async throws -> [String: [InspectQuestion.Expected]] {
        var request = AgentAPI.PollRequest(freeSlots: 0, slots: 1, engines: [], waitSeconds: 0)
        request.answers = ["inspect"]
        var asked: [String: [InspectQuestion.Expected]] = [:]
        while let question = try await plane.dispatcher.poll(request, from: agent.identity).inquiries?.first {
            guard case .inspect(let inspection) = question.question else { throw APIError("test", "not an inspection") }
            asked[question.environment] = inspection.assets
            let answer = InspectAnswer(results: inspection.assets.map { InspectResult(asset: $0.asset, state: state) })
            try await agent.report(
                .answered(.init(inquiry: question.inquiry, fencing: question.fencing, answer: .inspect(answer))), of: nil)
        }
        return asked
    }

    /// The agent is asked, and says so.
    func answer(_ answers: [ID<Inquiry>: InquiryAnswer]) async throws {
        for _ in answers {
            var request = AgentAPI.PollRequest(freeSlots: 0, slots: 1, engines: [], waitSeconds: 0)
            request.answers = ["inspect", "compare"]
            for question in try await plane.dispatcher.poll(request, from: agent.identity).inquiries ?? [] {
                try await agent.report(
                    .answered(.init(inquiry: question.inquiry, fencing: question.fencing, answer: answers[question.inquiry])),
                    of: nil)
            }
        }
    }

    func request(
        _ kind: String, to environment: String? = "prod", from source: String? = nil, bundle: String? = "mart",
        plan: String? = nil,
        reason: String? = nil, mode: String? = nil, computes: Bool? = nil, release: String? = nil, drain: Double? = nil
    ) async throws -> OperatorAPI.PromotionView {
        try await promotions.request(
            .init(
                kind: kind, environment: environment, source: source, bundle: bundle, plan: plan, release: release, mode: mode,
                reason: reason, drainSeconds: drain, computes: computes), by: ann
        ).promotion
    }

    /// Goes on until the change has ended or waits for something; works off what runs it starts.
    @discardableResult
    func settle(_ id: ID<Promotion>, working: Bool = true, failing: Set<String> = []) async throws -> OperatorAPI.PromotionView {
        for _ in 0..<20 {
            _ = try await clock().advance()
            if working { try await work(failing: failing) }
            let view = try await promotions.show(id)
            if view.isFinal { return view }
        }
        return try await promotions.show(id)
    }

    private static func text(_ value: some Encodable) throws -> String {
        String(decoding: try WireCoding.encode(value), as: UTF8.self)
    }

    /// Everything of an environment that a change and its being undone must leave equal.
    func state(of environment: String) async throws -> [String] {
        try await plane.store.read { session in
            let releases = try session.releases.current(environment: environment)
            var lines = try releases.map { release in
                "release \(release.bundle.name)@\(release.bundle.version) \(try Self.text(release.config)) \(release.mode)"
            }
            let assets = Set(["bronze.raw", "gold.sums", "gold.more", "silver.between"].compactMap { AssetName($0) })
            let listed = try session.assets.list(environment: environment, layer: nil, after: nil, limit: 100).map(\.name)
            lines += try session.publications.pointers(environment: environment, assets: assets).filter {
                listed.contains($0.asset)
            }
            .map { "pointer \($0.asset) \($0.snapshot) \($0.location) \($0.home)" }
            lines += listed.map { "asset \($0)" }
            lines += try session.triggers.list(environment: environment, bundle: "mart").filter(\.isLive)
                .map { "trigger \($0.flow).\($0.name) \(try Self.text($0.specification)) \($0.pausedAt == nil)" }
            lines += try session.releases.lineage(environment: environment).map { "edge \($0.from.name) \($0.to.name)" }
            if let holder = try session.promotions.holder(environment: environment, bundle: "mart") {
                lines.append("held \(holder)")
            }
            return lines
        }
    }
}
