internal import FlowForgeBundle
public import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Asks agents whether an environment's tables lie in the lake as they were published.
public struct LakeInspector: LakeInspecting {
    private let inquiries: any InquiryAsking

    public init(inquiries: any InquiryAsking) { self.inquiries = inquiries }

    /// Findings of tables that were published anew since the question are left out: the answer is about others.
    public func findings(environment: EnvironmentRow, in session: Session) throws -> [DriftFinding]? {
        guard let text = try session.drift.look(environment: environment.name)?.inquiry, let id = ID<Inquiry>(text),
            let row = try session.inquiries.find(id), case .inspect(let answer) = row.answer,
            case .inspect(let question) = row.question
        else { return nil }
        let asked = Dictionary(question.assets.map { ($0.asset, $0.snapshot) }) { $1 }
        return try answer.results.compactMap { result in
            guard let expected = asked[result.asset],
                try session.publications.current(environment: environment.name, asset: result.asset) == expected
            else { return nil }
            return try DriftFinding(result, expected: expected)
        }
    }

    public func ask(environment: EnvironmentRow, in session: Session) throws -> String? {
        if let text = try session.drift.look(environment: environment.name)?.inquiry, let id = ID<Inquiry>(text),
            let row = try session.inquiries.find(id), !row.state.isFinal
        {
            return nil
        }
        var outputs: Set<AssetName> = []
        for release in try session.releases.current(environment: environment.name) {
            outputs.formUnion(try session.bundles.requiredManifest(release.bundle).outputs)
        }
        // A pointer that no agent has moved yet is on its way, not moved by hand.
        let settled = try session.publications.confirmed(environment: environment.name)
        let expected = settled.filter { outputs.contains($0.asset) }.prefix(InspectQuestion.mostAssets).map {
            InspectQuestion.Expected(asset: $0.asset, snapshot: $0.snapshot)
        }
        guard !expected.isEmpty else { return nil }
        return try inquiries.ask(
            .inspect(InspectQuestion(assets: Array(expected))), pool: environment.pool, environment: environment.name,
            by: .system("drift"), within: .seconds(600), in: session
        ).description
    }
}

extension DriftFinding {
    /// `nil` where everything is as expected.
    init?(_ result: InspectResult, expected: SnapshotReference) throws {
        let name = "\(result.asset)"
        let wanted = try JSONValue(encoding: expected)
        var found: [String: JSONValue] = ["state": .string(result.state.rawValue)]
        found["snapshot"] = result.found?.snapshot.map { .string($0.description) }
        found["version"] = result.found?.version.map { .integer(Int64($0)) }
        found["files"] = result.files.map { .array($0.map { .string($0) }) }
        switch result.state {
        case .ok, .unknown: return nil
        case .missingAsset:
            self.init(kind: .asset, name: name, message: "\(name) is gone from the lake", expected: wanted, found: .object(found))
        case .missingSnapshot, .unreadableSnapshot:
            self.init(
                kind: .files, name: name, message: "the current snapshot of \(name) is gone or cannot be read", expected: wanted,
                found: .object(found))
        case .filesChanged:
            self.init(
                kind: .files, name: name,
                message: "\(result.changedFiles ?? 1) files of the current snapshot of \(name) were changed",
                expected: wanted, found: .object(found))
        case .pointerMoved:
            let whither = result.found?.snapshot.map { "to \($0)" } ?? "elsewhere"
            self.init(
                kind: .snapshot, name: name, message: "the pointer of \(name) was moved by hand, \(whither)", expected: wanted,
                found: .object(found))
        }
    }
}
