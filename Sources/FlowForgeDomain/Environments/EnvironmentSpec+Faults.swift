public import FlowForgeProtocol
internal import Foundation

/// What is wrong with one field of a declaration.
public struct FieldFault: Hashable, Sendable, CustomStringConvertible {
    /// `protection.gates[0].approval.count`
    public var field: String
    public var message: String
    public var hint: String?

    public init(_ field: String, _ message: String, hint: String? = nil) {
        self.field = field
        self.message = message
        self.hint = hint
    }

    public var description: String { "\(field): \(message)" }
}

extension EnvironmentSpec {
    public static let mostVariables = 200
    /// Of a text value, in bytes.
    public static let longestValue = 4096
    static let mostGates = 50
    static let mostPools = 50
    private static let plain = "use lower-case letters, digits and '_', beginning with a letter, at most 63 characters"

    /// Everything that is wrong with it by itself; whether its upstreams exist is the store's to say.
    public func faults() -> [FieldFault] {
        var faults: [FieldFault] = []
        if !isPlainName(name) { faults.append(.init("name", "'\(name.prefix(80))' is no environment name", hint: Self.plain)) }
        if !isPlainName(tier, dashes: true) {
            faults.append(.init("tier", "'\(tier.prefix(80))' is no tier", hint: "dev, qa, uat, prod, or a word of your own"))
        }
        if let project, !isPlainName(project, dashes: true) {
            faults.append(
                .init(
                    "environment.project", "'\(project.prefix(80))' is no project name", hint: "\(Self.plain); '-' is allowed too"
                ))
        }
        if description.utf8.count > 1000 { faults.append(.init("description", "is longer than 1000 bytes")) }
        faults += poolFaults + upstreamFaults + configFaults + credentialFaults + storageFaults + gateFaults
        for (index, region) in regions.enumerated() where !Self.isWord(region) {
            faults.append(.init("regions[\(index)]", "'\(region.prefix(80))' is no region", hint: "e.g. eu-central-1"))
        }
        if let residency, !Self.isWord(residency) {
            faults.append(.init("residency", "'\(residency.prefix(80))' is no zone", hint: "e.g. eu"))
        }
        if classification == .unknown {
            faults.append(.init("classification", "is not known", hint: "public, internal, confidential or restricted"))
        }
        if mode == .unknown { faults.append(.init("mode", "is not known", hint: "physical or virtual")) }
        if let rate {
            if !rate.perHour.isFinite || rate.perHour < 0 { faults.append(.init("rate.per_hour", "must be 0 or more")) }
            if rate.currency.utf8.count != 3 || !rate.currency.utf8.allSatisfy({ (65...90).contains($0) }) {
                faults.append(
                    .init("rate.currency", "'\(rate.currency.prefix(20))' is no currency", hint: "three capitals, e.g. EUR"))
            }
        }
        return faults
    }

    private var poolFaults: [FieldFault] {
        let hint = "\(Self.plain); '-' is allowed too"
        var faults: [FieldFault] = []
        if !isPlainName(pool, dashes: true) { faults.append(.init("pool", "'\(pool.prefix(80))' is no pool name", hint: hint)) }
        let named = (pools ?? [:]).sorted { $0.key < $1.key }
        if named.count > Self.mostPools {
            faults.append(.init("pools", "names \(named.count) pools, at most \(Self.mostPools) are allowed"))
        }
        for (name, pool) in named {
            let field = "pools.\(name.prefix(80))"
            if name == Self.ownPool {
                faults.append(.init(field, "is what the environment's own pool is called", hint: "use another name"))
            } else if !isPlainName(name, dashes: true) {
                faults.append(.init(field, "is no name that a task can ask for", hint: hint))
            }
            if !isPlainName(pool, dashes: true) {
                faults.append(.init(field, "'\(pool.prefix(80))' is no pool name", hint: hint))
            }
        }
        return faults
    }

    private var upstreamFaults: [FieldFault] {
        var faults: [FieldFault] = []
        if upstream.count > 10 {
            faults.append(.init("upstream", "names \(upstream.count) environments, at most 10 are allowed"))
        }
        for (index, item) in upstream.enumerated() {
            if !isPlainName(item.environment) {
                faults.append(.init("upstream[\(index)].environment", "'\(item.environment.prefix(80))' is no environment name"))
            }
            if item.environment == name { faults.append(.init("upstream[\(index)].environment", "is the environment itself")) }
            if upstream[..<index].contains(where: { $0.environment == item.environment }) {
                faults.append(.init("upstream[\(index)].environment", "'\(item.environment)' is named twice"))
            }
            if !(0...365 * 86_400).contains(item.soakSeconds) {
                faults.append(.init("upstream[\(index)].soak", "must be 0 to 365 days"))
            }
        }
        return faults
    }

    private var configFaults: [FieldFault] {
        var faults: [FieldFault] = []
        var types: [String: ParameterType] = [:]
        let names = Set(config.flatMap(\.values.keys))
        if names.count > Self.mostVariables {
            faults.append(.init("config", "has \(names.count) variables, at most \(Self.mostVariables) are allowed"))
        }
        for layer in config {
            for (name, value) in layer.values.sorted(by: { $0.key < $1.key }) {
                let field = "config.\(layer.name).\(name.prefix(80))"
                if !isPlainName(name) { faults.append(.init(field, "is no variable name", hint: Self.plain)) }
                if let type = value.type {
                    if let other = types[name], other != type {
                        faults.append(.init(field, "is declared as \(type.rawValue), and as \(other.rawValue) below"))
                    }
                    types[name] = type
                }
                if let fault = Self.valueFault(value.value) { faults.append(.init(field, fault)) }
            }
        }
        for layer in config {
            for (name, value) in layer.values.sorted(by: { $0.key < $1.key }) {
                if let type = types[name], type.converting(value.value) == nil {
                    faults.append(.init("config.\(layer.name).\(name)", "is not \(type.form)"))
                }
            }
        }
        return faults
    }

    /// Why it is no value of a variable.
    public static func valueFault(_ value: JSONValue) -> String? {
        switch value {
        case .null, .array, .object: "the value is neither text, a number nor a boolean"
        case .string(let text) where text.utf8.count > longestValue:
            "\(text.utf8.count) bytes, at most \(longestValue) are allowed"
        case .string, .bool, .integer, .number: nil
        }
    }

    private var credentialFaults: [FieldFault] {
        credentials.sorted { $0.key < $1.key }.flatMap { name, reference -> [FieldFault] in
            let field = "credentials.\(name.prefix(80))"
            var faults: [FieldFault] = []
            if !isPlainName(name) { faults.append(.init(field, "is no credential name", hint: Self.plain)) }
            // What was given may be the secret itself, so it is not said again.
            do throws(CredentialReferenceFault) { _ = try CredentialReference(reference) } catch {
                faults.append(.init(field, "is not a reference: \(error.message)", hint: error.hint))
            }
            return faults
        }
    }

    private var storageFaults: [FieldFault] {
        storage.sorted { $0.key < $1.key }.flatMap { layer, root -> [FieldFault] in
            var faults: [FieldFault] = []
            if Layer(rawValue: layer).map({ $0 == .unknown }) ?? true {
                faults.append(.init("storage.\(layer.prefix(80))", "is no layer", hint: "bronze, silver or gold"))
            }
            if !isPlainName(root, dashes: true) {
                faults.append(
                    .init(
                        "storage.\(layer.prefix(80))", "'\(root.prefix(80))' is no name of a root",
                        hint: "agents name the roots of their lake"))
            }
            return faults
        }
    }

    private var gateFaults: [FieldFault] {
        var faults: [FieldFault] = []
        if protection.gates.count > Self.mostGates {
            faults.append(.init("protection.gates", "there are \(protection.gates.count), at most \(Self.mostGates) are allowed"))
        }
        let names = gates.map(\.name)
        for (index, gate) in protection.gates.enumerated() {
            let field = "protection.gates[\(index)]"
            if !isPlainName(gate.name, dashes: true) {
                faults.append(
                    .init(
                        "\(field).name", "'\(gate.name.prefix(80))' is no name of a gate",
                        hint: "\(Self.plain); '-' is allowed too"))
            }
            if names.filter({ $0 == gate.name }).count > 1 {
                faults.append(.init("\(field).name", "'\(gate.name)' is there twice"))
            }
            if gate.enforcement == .unknown {
                faults.append(.init("\(field).enforcement", "is not known", hint: "advisory, soft or hard"))
            }
            if let seconds = gate.validForSeconds, !(1...365 * 86_400).contains(seconds) {
                faults.append(.init("\(field).valid_for", "must be 1 second to 365 days"))
            }
            faults += faultsOfRule(gate.rule).map { FieldFault("\(field).\($0.field)", $0.message, hint: $0.hint) }
        }
        return faults
    }

    private func faultsOfRule(_ rule: GateSpec.Rule) -> [FieldFault] {
        switch rule {
        case .approval(let gate):
            var faults: [FieldFault] = []
            if !(1...20).contains(gate.count) { faults.append(.init("approval.count", "must be 1 to 20")) }
            if !gate.from.isEmpty, Set(gate.from).count < gate.count {
                faults.append(
                    .init("approval.from", "names \(Set(gate.from).count) principals of whom \(gate.count) must approve"))
            }
            return faults
        case .quality(let gate):
            return (1...1000).contains(gate.runs) ? [] : [.init("quality.runs", "must be 1 to 1000")]
        case .soak(let gate):
            let isThere = upstream.contains { $0.environment == gate.environment }
            return isThere
                ? []
                : [
                    .init(
                        "soak.environment", "'\(gate.environment.prefix(80))' is no upstream of the environment",
                        hint: "add it to 'upstream'")
                ]
        case .dataDiff(let gate):
            return [
                ("max_row_change", gate.maxRowChange), ("min_key_match", gate.minKeyMatch),
                ("min_column_match", gate.minColumnMatch),
            ]
            .filter { $0.1.map { !$0.isFinite || $0 < 0 } ?? false }
            .map { FieldFault("data_diff.\($0.0)", "must be 0 or more") }
        case .residency:
            return residency == nil
                ? [.init("residency", "the environment names no residency zone", hint: "add 'residency'")] : []
        case .classification:
            return classification == nil
                ? [.init("classification", "the environment names no highest classification", hint: "add 'classification'")] : []
        case .window: return windows == nil ? [.init("window", "the environment has no windows", hint: "add 'windows'")] : []
        case .cost(let gate):
            return gate.maxAmount == nil && gate.maxSeconds == nil
                ? [.init("cost", "needs max_amount or max_seconds")]
                : gate.maxAmount != nil && rate == nil
                    ? [.init("cost.max_amount", "needs the environment's rate", hint: "add 'rate'")] : []
        case .policy(let gate): return gate.deny.isEmpty ? [.init("policy.deny", "is empty")] : []
        case .external(let gate):
            return gate.isAddressable
                ? []
                : [
                    .init(
                        "external.url", "'\(gate.url.prefix(80))' is no https address",
                        hint: "https://host/path without a user and a fragment; http only to this machine itself")
                ]
        }
    }

    /// Letters, digits, `-` and `_`, at most 63.
    private static func isWord(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 95
            }
    }
}
