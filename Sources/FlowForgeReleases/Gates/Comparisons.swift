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
    func ask(for row: PlanRow, _ promotion: PromotionRow, through inquiries: any InquiryAsking) throws {
        let lacking = try lacking(for: row, promotion)
        guard !lacking.isEmpty else { return }
        let environment = try session.environments.required(row.plan.environment)
        for question in lacking {
            let id = try inquiries.ask(
                .compare(question), pool: environment.pool, environment: environment.name, by: .system("promotion"),
                within: .seconds(3600), in: session)
            try session.plans.keepComparison(of: question.asset, in: row.digest, inquiry: id.description)
        }
    }

    /// Each once.
    func lacking(for row: PlanRow, _ promotion: PromotionRow) throws -> [CompareQuestion] {
        let gates = row.plan.content.gates.compactMap { gate -> (GateSpec.DataDiff, Double?)? in
            if case .dataDiff(let settings) = gate.rule { (settings, gate.validForSeconds) } else { nil }
        }
        guard !gates.isEmpty, let source = row.plan.source else { return [] }
        let tasks = try session.bundles.requiredManifest(row.plan.bundle).flows.flatMap(\.tasks)
        let keys = Dictionary(tasks.compactMap { task in task.output.map { ($0, task.load.keys) } }) { first, _ in first }
        let asked = try session.plans.comparisons(of: row.digest)
        return try GateDesk(session: session).comparable(row.plan).compactMap { asset in
            let wanting = gates.filter { $0.0.assets.isEmpty || $0.0.assets.contains(asset) }
            guard !wanting.isEmpty,
                let left = try session.publications.current(environment: source, asset: asset),
                let right = try session.publications.current(environment: row.plan.environment, asset: asset)
            else { return nil }
            let question = CompareQuestion(
                asset: asset, left: left.moved(from: source, to: row.plan.environment), right: right, keys: keys[asset] ?? [])
            let known = try asked[asset].flatMap { ID<Inquiry>($0) }.flatMap { try session.inquiries.find($0) }
            guard let known else { return question }
            return wanting.allSatisfy { isFresh(known, question, promotion, $0.1) } ? nil : question
        }
    }

    /// What was asked is about the tables as they are, or not answered yet; what failed is asked again for another promotion.
    private func isFresh(
        _ row: InquiryRow, _ question: CompareQuestion, _ promotion: PromotionRow, _ validFor: Double?
    ) -> Bool {
        guard let ended = row.endedAt else { return true }
        if row.answer == nil { return ended >= promotion.requestedAt }
        guard case .compare(let asked) = row.question, asked.left == question.left, asked.right == question.right else {
            return false
        }
        return validFor.map { ended + $0 > session.now } ?? true
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
