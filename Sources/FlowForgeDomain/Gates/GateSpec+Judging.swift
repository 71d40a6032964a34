internal import FlowForgeProtocol
internal import Foundation

extension GateSpec {
    /// Decides by the facts alone: equal facts, equal verdicts.
    public func judge(_ facts: GateFacts) -> GateVerdict {
        let (state, message, evidence, until) = judgement(facts)
        return GateVerdict(
            gate: name, kind: rule.kind, enforcement: enforcement, state: state, message: message, evidence: evidence,
            until: until)
    }

    typealias Judgement = (GateVerdict.State, String, [String: JSONValue], Date?)

    private func judgement(_ facts: GateFacts) -> Judgement {
        switch rule {
        case .approval(let gate): gate.judge(facts, since: facts.now, validForSeconds)
        case .quality(let gate): gate.judge(facts, validForSeconds)
        case .soak(let gate): gate.judge(facts)
        case .dataDiff(let gate): gate.judge(facts, validForSeconds)
        case .residency: Self.residency(facts)
        case .classification: Self.classification(facts)
        case .window: Self.window(facts)
        case .cost(let gate): gate.judge(facts)
        case .policy(let gate): gate.judge(facts)
        case .external: external(facts)
        }
    }

    private static func residency(_ facts: GateFacts) -> Judgement {
        guard let zone = facts.residency else {
            return (.failed, "the environment names no residency zone", [:], nil)
        }
        let strays = facts.placements.filter { !$0.zones.subtracting([zone]).isEmpty }
        guard let first = strays.first else {
            return (
                .passed, "no table leaves its zone", ["zone": .string(zone), "tables": .integer(Int64(facts.placements.count))],
                nil
            )
        }
        let path = first.through.isEmpty ? "" : " (through \(first.through.map(\.description).joined(separator: " → ")))"
        return (
            .failed,
            "\(first.asset) is bound to \(list(first.zones)) and would land in \(zone)\(path)"
                + (strays.count > 1 ? ", and \(strays.count - 1) more" : ""),
            ["zone": .string(zone), "strays": .array(strays.map { .string("\($0.asset)") })], nil
        )
    }

    private static func classification(_ facts: GateFacts) -> Judgement {
        guard let ceiling = facts.ceiling else {
            return (.failed, "the environment names no highest classification", [:], nil)
        }
        let above = facts.placements.compactMap { place in place.highest.map { (place.asset, $0) } }.filter {
            $0.1.level > ceiling
        }
        guard let (asset, column) = above.first else {
            return (.passed, "nothing is classified above \(ceiling.rawValue)", ["ceiling": .string(ceiling.rawValue)], nil)
        }
        return (
            .failed,
            "\(asset).\(column.column) is \(column.level.rawValue), above \(ceiling.rawValue)"
                + (above.count > 1 ? ", and \(above.count - 1) more tables are" : ""),
            ["ceiling": .string(ceiling.rawValue), "above": .array(above.map { .string("\($0.0).\($0.1.column)") })], nil
        )
    }

    private static func window(_ facts: GateFacts) -> Judgement {
        switch facts.windows?.standing(at: facts.now) ?? .open {
        case .open: (.passed, "changes are allowed now", [:], nil)
        case .closed(let until):
            (.pending, "outside the change windows" + (until.map { ", the next opens \(WireCoding.text($0))" } ?? ""), [:], until)
        case .frozen(let reason, let until):
            (
                .pending, "changes are frozen: \(reason)" + (until.map { ", until \(WireCoding.text($0))" } ?? ""),
                ["reason": .string(reason)], until
            )
        }
    }

    private func external(_ facts: GateFacts) -> Judgement {
        guard let answer = facts.answers[name], isFresh(answer.at, facts) else {
            return (.pending, Self.waiting(facts.calls[name]), [:], nil)
        }
        let said = answer.message.isEmpty ? "" : ": \(answer.message)"
        return (
            answer.passed ? .passed : .failed, "\(answer.by) \(answer.passed ? "agreed" : "refused")\(said)",
            ["by": .string(answer.by), "at": .string(WireCoding.text(answer.at)), "message": .string(answer.message)],
            answer.passed ? validForSeconds.map { answer.at + $0 } : nil
        )
    }

    private static func waiting(_ call: GateFacts.Call?) -> String {
        guard let call, !call.wasTold, !call.error.isEmpty else { return "waiting for the answer of another system" }
        return call.isGivenUp
            ? "another system is not asked any more: \(call.error)" : "another system could not be asked yet: \(call.error)"
    }

    private func isFresh(_ time: Date, _ facts: GateFacts) -> Bool {
        validForSeconds.map { time + $0 > facts.now } ?? true
    }

    private static func list(_ words: some Sequence<String>) -> String { words.sorted().joined(separator: ", ") }
}

extension GateSpec.Approval {
    func judge(_ facts: GateFacts, since now: Date, _ validFor: Double?) -> GateSpec.Judgement {
        var latest: [String: GateFacts.Approval] = [:]
        for approval in facts.approvals.sorted(by: { $0.at < $1.at }) { latest[approval.principal] = approval }
        let counting = latest.values.filter { from.isEmpty || from.contains($0.principal) }
        if let no = counting.filter({ !$0.approves }).min(by: { $0.at < $1.at }) {
            let why = no.reason.isEmpty ? "" : ": \(no.reason)"
            return (.failed, "\(no.principal) rejected it\(why)", ["rejected_by": .string(no.principal)], nil)
        }
        let fresh = counting.filter { approval in validFor.map { approval.at + $0 > now } ?? true }
        let yes = fresh.filter { !separationOfDuties || !facts.requesters.contains($0.principal) }.sorted {
            $0.principal < $1.principal
        }
        let names: JSONValue = .array(yes.map { .string($0.principal) })
        let own = fresh.count - yes.count
        guard yes.count < count else {
            let end = validFor.flatMap { seconds in yes.map(\.at).sorted(by: >)[count - 1] + seconds }
            return (.passed, "approved by \(yes.map(\.principal).joined(separator: ", "))", ["approved_by": names], end)
        }
        let whose = from.isEmpty ? "" : " of \(from.sorted().joined(separator: ", "))"
        return (
            .pending,
            "\(yes.count) of \(count) approvals\(whose)"
                + (own > 0 ? "; whoever asked for the change does not count" : ""),
            ["approved_by": names, "needed": .integer(Int64(count))], nil
        )
    }
}

extension GateSpec.Quality {
    func judge(_ facts: GateFacts, _ validFor: Double?) -> GateSpec.Judgement {
        guard !facts.upstreams.isEmpty else { return (.failed, "the environment has no upstream to look at", [:], nil) }
        var best: GateSpec.Judgement?
        for (name, upstream) in facts.upstreams.sorted(by: { $0.key < $1.key }) {
            let judgement = judge(upstream, name, facts.now, validFor)
            if judgement.0 == .passed { return judgement }
            if best == nil || judgement.0 == .failed { best = judgement }
        }
        return best!
    }

    private func judge(
        _ upstream: GateFacts.Upstream, _ name: String, _ now: Date, _ validFor: Double?
    ) -> GateSpec.Judgement {
        let failed = upstream.failedChecks + (strict ? upstream.warnedChecks : [])
        var evidence: [String: JSONValue] = [
            "upstream": .string(name), "runs": .object(upstream.succeeded.mapValues { .integer(Int64($0)) }),
        ]
        evidence["last_run_at"] = upstream.lastRunAt.map { .string(WireCoding.text($0)) }
        guard failed.isEmpty, upstream.failedFlows.isEmpty else {
            evidence["failed"] = .array((failed + upstream.failedFlows).sorted().map { .string($0) })
            let what = failed.isEmpty ? "flow \(upstream.failedFlows.sorted()[0]) failed" : "check \(failed.sorted()[0]) failed"
            return (.failed, "\(what) in \(name)", evidence, nil)
        }
        let lacking = upstream.succeeded.filter { $0.value < runs }.keys.sorted()
        guard !upstream.succeeded.isEmpty, lacking.isEmpty, let last = upstream.lastRunAt else {
            let flows = lacking.isEmpty ? "this bundle" : "flow \(lacking[0])"
            return (
                .pending, "\(flows) has not succeeded \(runs == 1 ? "once" : "\(runs) times") in \(name) with this digest",
                evidence, nil
            )
        }
        if let validFor, last + validFor <= now {
            return (.pending, "the last run in \(name) is too old", evidence, nil)
        }
        return (.passed, "every check is green in \(name)", evidence, validFor.map { last + $0 })
    }
}

extension GateSpec.Soak {
    func judge(_ facts: GateFacts) -> GateSpec.Judgement {
        guard let since = facts.upstreams[environment]?.since else {
            return (
                .pending, "this digest is not the current release of \(environment)", ["environment": .string(environment)], nil
            )
        }
        let end = since + seconds
        let evidence: [String: JSONValue] = [
            "environment": .string(environment), "since": .string(WireCoding.text(since)), "seconds": .number(seconds),
        ]
        guard end <= facts.now else {
            return (
                .pending, "has been in \(environment) since \(WireCoding.text(since)), ready \(WireCoding.text(end))", evidence,
                end
            )
        }
        return (.passed, "has been in \(environment) since \(WireCoding.text(since))", evidence, nil)
    }
}

extension GateSpec.DataDiff {
    func judge(_ facts: GateFacts, _ validFor: Double?) -> GateSpec.Judgement {
        let wanted = assets.isEmpty ? facts.comparable : assets.filter(facts.comparable.contains)
        var evidence: [String: JSONValue] = [:]
        var faults: [String] = []
        var missing: [AssetName] = []
        for asset in wanted.sorted() {
            guard let found = facts.comparisons[asset], validFor.map({ found.at + $0 > facts.now }) ?? true else {
                missing.append(asset)
                continue
            }
            evidence["\(asset)"] = found.evidence
            faults += judge(found).map { "\(asset): \($0)" }
        }
        if let first = faults.first {
            return (.failed, first + (faults.count > 1 ? ", and \(faults.count - 1) more" : ""), evidence, nil)
        }
        if let first = missing.first {
            return (
                .pending, "\(first) is not compared yet" + (missing.count > 1 ? ", nor are \(missing.count - 1) more" : ""),
                evidence, nil
            )
        }
        return (.passed, wanted.isEmpty ? "there is no table to compare" : "\(wanted.count) tables are alike", evidence, nil)
    }

    private func judge(_ found: GateFacts.Comparison) -> [String] {
        if let failure = found.failure { return ["could not be compared: \(failure)"] }
        var faults: [String] = []
        if !allowsSchemaChange, let change = found.schemaChanges.first { faults.append("its columns differ (\(change))") }
        if let maxRowChange {
            let change =
                found.baseRows == 0
                ? (found.rows == 0 ? 0 : 100) : abs(Double(found.rows) - Double(found.baseRows)) / Double(found.baseRows) * 100
            if change > maxRowChange { faults.append("\(found.rows) rows against \(found.baseRows), \(percent(change)) off") }
        }
        if let minKeyMatch {
            if let match = found.keyMatch {
                if match < minKeyMatch {
                    faults.append("\(percent(match)) of the keys are on both sides, not \(percent(minKeyMatch))")
                }
            } else {
                faults.append("has no key to match rows by")
            }
        }
        if let minColumnMatch {
            for (column, match) in found.columnMatch.sorted(by: { $0.key < $1.key }) where match < minColumnMatch {
                faults.append("\(percent(match)) of \(column) is equal, not \(percent(minColumnMatch))")
            }
        }
        return faults
    }

    private func percent(_ number: Double) -> String { "\((number * 100).rounded() / 100) %" }
}

extension GateFacts.Comparison {
    fileprivate var evidence: JSONValue {
        var members: [String: JSONValue] = [
            "at": .string(WireCoding.text(at)), "rows": .integer(rows), "base_rows": .integer(baseRows),
            "schema_changes": .array(schemaChanges.map { .string($0) }),
            "column_match": .object(columnMatch.mapValues { .number($0) }),
        ]
        members["key_match"] = keyMatch.map { .number($0) }
        members["failure"] = failure.map { .string($0) }
        return .object(members)
    }
}

extension GateSpec.Cost {
    func judge(_ facts: GateFacts) -> GateSpec.Judgement {
        let cost = facts.cost
        var evidence: [String: JSONValue] = ["seconds": .number(cost.seconds)]
        evidence["amount"] = cost.amount.map { .number($0) }
        evidence["unknown"] = cost.unknown.isEmpty ? nil : .array(cost.unknown.map { .string("\($0)") })
        if let maxSeconds, cost.seconds > maxSeconds {
            return (
                .failed,
                "about \(String(format: "%.0f", cost.seconds)) s of work, more than \(String(format: "%.0f", maxSeconds))",
                evidence, nil
            )
        }
        if let maxAmount {
            guard let amount = cost.amount else {
                return (.failed, "the environment names no rate, so the cost is not known", evidence, nil)
            }
            let unit = cost.currency.map { " \($0)" } ?? ""
            if amount > maxAmount {
                return (.failed, "about \((amount * 100).rounded() / 100)\(unit), more than \(maxAmount)\(unit)", evidence, nil)
            }
        }
        return (.passed, "below the ceiling", evidence, nil)
    }
}

extension GateSpec.Policy {
    func judge(_ facts: GateFacts) -> GateSpec.Judgement {
        for denial in deny {
            let found = facts.changes.compactMap { change -> (PlanChange, [ColumnHit])? in
                let hits = facts.downstream.filter { $0.because == change.name }
                return denial.meets(change, hits) ? (change, hits) : nil
            }
            guard let (first, _) = found.first else { continue }
            let reached = Set(found.flatMap(\.1).filter { hit in denial.reaches.map { hit.description.hasPrefix($0) } ?? true })
                .map(\.description).sorted()
            let hits =
                reached.isEmpty
                ? ""
                : ", which reaches \(reached.prefix(8).joined(separator: ", "))"
                    + (reached.count > 8 ? " and \(reached.count - 8) more" : "")
            return (
                .failed,
                "\(denial.message.map { "\($0): " } ?? "")\(first.subject) \(first.name) is \(first.action) (\(first.impact.words))\(hits)",
                ["changes": .array(found.map { .string($0.0.name) }), "reaches": .array(reached.map { .string($0) })], nil
            )
        }
        return (.passed, "no change is denied", ["changes": .integer(Int64(facts.changes.count))], nil)
    }
}

extension GateSpec.Denial {
    func meets(_ change: PlanChange, _ hits: [ColumnHit]) -> Bool {
        if let impact, change.impact < impact { return false }
        if let subject, change.subject != subject { return false }
        if let action, change.action != action { return false }
        if let name, !change.name.hasPrefix(name) { return false }
        if let reaches, !hits.contains(where: { $0.description.hasPrefix(reaches) }) { return false }
        return true
    }
}
