internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Compares a release as it was applied with what is there now.
struct DriftLook {
    let session: Session
    let environment: EnvironmentRow

    /// The environment's tables as they are.
    let live: [AssetName: (digest: String, columns: [ColumnSchema])]

    init(session: Session, environment: EnvironmentRow) throws {
        self.session = session
        self.environment = environment
        live = try session.quality.live(environment: environment.name)
    }

    /// A run may take its time to end after a release; in seconds.
    static let patience = 3600.0

    /// Sorted, each once.
    func findings(of release: ReleaseRow) throws -> [DriftFinding] {
        let manifest = try session.bundles.requiredManifest(release.bundle)
        return try (configuration(release, manifest) + schedules(release, manifest) + tables(release, manifest) + agents(release))
            .sorted()
    }

    private func configuration(_ release: ReleaseRow, _ manifest: Manifest) -> [DriftFinding] {
        guard let applied = release.config else { return [] }
        return applied.seen(by: manifest).changes(to: environment.releaseConfig.seen(by: manifest)).map { change in
            DriftFinding(
                kind: .configuration, name: "\(change.kind.rawValue).\(change.name)",
                message: "\(change.kind.rawValue) '\(change.name)' is no longer what the release was applied with",
                expected: change.before, found: change.after)
        }
    }

    private func schedules(_ release: ReleaseRow, _ manifest: Manifest) throws -> [DriftFinding] {
        let live = try session.triggers.list(environment: environment.name, bundle: release.bundle.name)
        var findings: [DriftFinding] = []
        for flow in manifest.flows {
            for spec in flow.triggers ?? [] {
                let name = "\(flow.name).\(spec.name)"
                guard let trigger = live.first(where: { $0.flow == flow.name && $0.name == spec.name && $0.isLive }) else {
                    findings.append(.init(kind: .schedule, name: name, message: "trigger '\(name)' is not live"))
                    continue
                }
                if trigger.specification != spec {
                    findings.append(
                        .init(
                            kind: .schedule, name: name, message: "trigger '\(name)' is not as the bundle declares it",
                            expected: try JSONValue(encoding: spec), found: try JSONValue(encoding: trigger.specification)))
                } else if let paused = trigger.pausedAt {
                    findings.append(
                        .init(
                            kind: .schedule, name: name,
                            message:
                                "trigger '\(name)' is paused since \(WireCoding.text(paused)) by \(trigger.pausedBy ?? "somebody")",
                            expected: "running", found: "paused"))
                }
            }
        }
        return findings
    }

    /// Only of tables that this very bundle made: the others still are what the release before left.
    private func tables(_ release: ReleaseRow, _ manifest: Manifest) throws -> [DriftFinding] {
        let locked = try session.bundles.lock(digest: release.bundle.digest)?.assets ?? []
        let wanted = Dictionary(locked.map { ($0.asset, $0) }) { first, _ in first }
        let ran = try session.quality.upstream(environment: environment.name, digest: release.bundle.digest)
        var findings: [DriftFinding] = []
        for flow in manifest.flows {
            for task in flow.tasks {
                guard let asset = task.output else { continue }
                guard let table = live[asset] else {
                    if ran.succeeded[flow.name] ?? 0 > 0 {
                        findings.append(
                            .init(kind: .asset, name: "\(asset)", message: "\(asset) is missing although its flow has run"))
                    }
                    continue
                }
                guard table.digest == release.bundle.digest, let wanted = wanted[asset], wanted.isKnown else { continue }
                let differences = Self.differences(wanted.columns, table.columns, keepsOthers: task.load.mode != .replace)
                guard !differences.isEmpty else { continue }
                findings.append(
                    .init(
                        kind: .schema, name: "\(asset)",
                        message: "\(asset) has other columns than its bundle says: \(differences.joined(separator: ", "))",
                        expected: .array(wanted.columns.map { .string("\($0.name) \($0.type)") }),
                        found: .array(table.columns.map { .string("\($0.name) \($0.type)") })))
            }
        }
        return findings
    }

    static func differences(_ wanted: [LockedColumn], _ found: [ColumnSchema], keepsOthers: Bool) -> [String] {
        let there = Dictionary(found.map { ($0.name.lowercased(), $0.type) }) { first, _ in first }
        let names = Set(wanted.map { $0.name.lowercased() })
        return wanted.compactMap { column -> String? in
            guard let type = there[column.name.lowercased()] else { return "-\(column.name)" }
            return type == column.type ? nil : "\(column.name): \(column.type) → \(type)"
        } + (keepsOthers ? [] : found.filter { !names.contains($0.name.lowercased()) }.map { "+\($0.name)" })
    }

    private func agents(_ release: ReleaseRow) throws -> [DriftFinding] {
        let since = release.createdAt
        guard since + Self.patience < session.now else { return [] }
        return try session.quality.strays(
            environment: environment.name, bundle: release.bundle.name, digest: release.bundle.digest, before: since
        ).map { run, digest in
            DriftFinding(
                kind: .agent, name: run.description, message: "\(run) goes on with the bundle of an earlier release",
                expected: .string(release.bundle.digest), found: .string(digest))
        }
    }
}
