internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// The comparisons that agents make for the data gates of plans: of each table, what the source has against what the
/// environment has. Asked once a plan and table, and again when the answer is too old to count.
struct Comparisons {
    let session: Session

    /// By table; those that were not answered yet are left out.
    func facts(of plan: String) throws -> [AssetName: GateFacts.Comparison] {
        var facts: [AssetName: GateFacts.Comparison] = [:]
        for (asset, id) in try session.plans.comparisons(of: plan) {
            guard let id = ID<Inquiry>(id), let row = try session.inquiries.find(id), let at = row.endedAt else { continue }
            if case .compare(let answer) = row.answer {
                facts[asset] = GateFacts.Comparison(answer, at: at)
            } else {
                let why = row.error?.message ?? row.state.rawValue
                facts[asset] = GateFacts.Comparison(at: at, rows: 0, baseRows: 0, failure: why)
            }
        }
        return facts
    }

    /// Asks what the plan's data gates need and do not have.
    func ask(for row: PlanRow, through inquiries: any InquiryAsking) throws {
        let gates = row.plan.content.gates.compactMap { gate -> (GateSpec.DataDiff, Double?)? in
            if case .dataDiff(let settings) = gate.rule { (settings, gate.validForSeconds) } else { nil }
        }
        guard !gates.isEmpty, let source = row.plan.source else { return }
        let comparable = try GateDesk(session: session).comparable(row.plan)
        let environment = try session.environments.required(row.plan.environment)
        let tasks = try session.bundles.requiredManifest(row.plan.bundle).flows.flatMap(\.tasks)
        let asked = try session.plans.comparisons(of: row.digest)
        for (gate, validFor) in gates {
            for asset in comparable where gate.assets.isEmpty || gate.assets.contains(asset) {
                if let known = asked[asset].flatMap({ ID<Inquiry>($0) }), try isFresh(known, validFor) { continue }
                guard let left = try session.publications.current(environment: source, asset: asset),
                    let right = try session.publications.current(environment: environment.name, asset: asset)
                else { continue }
                let keys = tasks.first { $0.output == asset }?.load.keys ?? []
                let question = CompareQuestion(
                    asset: asset, left: left.moved(from: source, to: environment.name), right: right, keys: keys)
                let id = try inquiries.ask(
                    .compare(question), pool: environment.pool, environment: environment.name, by: .system("promotion"),
                    within: .seconds(3600), in: session)
                try session.plans.keepComparison(of: asset, in: row.digest, inquiry: id.description)
            }
        }
    }

    private func isFresh(_ id: ID<Inquiry>, _ validFor: Double?) throws -> Bool {
        guard let row = try session.inquiries.find(id) else { return false }
        guard let validFor, let ended = row.endedAt else { return true }
        return ended + validFor > session.now
    }
}

extension GateFacts.Comparison {
    init(_ answer: CompareAnswer, at: Date) {
        var match: [String: Double] = [:]
        for column in answer.columns {
            if let percent = column.matchPercent { match[column.name] = percent }
        }
        let schema = answer.columns.compactMap { column -> String? in
            switch (column.leftType, column.rightType) {
            case (let left?, let right?): left == right ? nil : "\(column.name): \(right) → \(left)"
            case (.some, nil): "+\(column.name)"
            default: "-\(column.name)"
            }
        }
        self.init(
            at: at, rows: answer.leftRows, baseRows: answer.rightRows, keyMatch: answer.keys?.matchPercent, columnMatch: match,
            schemaChanges: schema)
    }
}
