internal import FlowForgeBundle
internal import FlowForgeOrchestration
internal import FlowForgeStore
public import Foundation
internal import Logging

extension ServerSettings {
    /// Reads a configuration file. Paths in it are relative to the file. Throws
    /// ``StartUpFault/configuration(_:)`` with everything that is wrong, one line each: file, line, key
    /// and the nearest known key.
    public init(file: URL) throws(StartUpFault) {
        let data: Data
        do {
            data = try Data(contentsOf: file)
        } catch {
            throw .configuration(
                "cannot read \(file.path): \(error.localizedDescription); make it with `flowforged init --data DIR`")
        }
        let yaml = StrictYAML(file: file.path)
        let settings = Self.read(data, yaml, folder: file.absoluteURL.deletingLastPathComponent())
        do { try yaml.finish() } catch { throw .configuration(error.description) }
        guard var settings else { throw .configuration("\(file.path): nothing in it") }
        settings.file = file.absoluteURL
        self = settings
    }

    private static func read(_ data: Data, _ yaml: StrictYAML, folder: URL) -> ServerSettings? {
        guard let root = yaml.parse(data),
            let top = yaml.mapping(
                root,
                keys: [
                    "data_dir", "agent_api", "operator_api", "log", "certificates", "leases", "backup", "retention", "drift",
                    "signatures", "bundles",
                ],
                of: "the configuration")
        else { return nil }
        func path(_ text: String) -> URL { URL(filePath: text, relativeTo: folder).absoluteURL.standardizedFileURL }

        var settings = ServerSettings(dataFolder: path(top.text("data_dir", required: true) ?? "."), agentURL: "")
        if let agent = top.mapping("agent_api", keys: ["listen", "url", "max_connections"], required: true) {
            settings.limits.agents = agent.integer("max_connections", in: 1...1_000_000).map { Int($0) } ?? settings.limits.agents
            settings.agentListen = address(agent) ?? settings.agentListen
            settings.agentURL = reachable(agent, required: true) ?? ""
        }
        if let operators = top.mapping("operator_api", keys: ["listen", "url", "tls", "max_connections"]) {
            settings.limits.operators =
                operators.integer("max_connections", in: 1...1_000_000).map { Int($0) } ?? settings.limits.operators
            settings.operatorListen = address(operators) ?? settings.operatorListen
            settings.operatorURL = reachable(operators, required: false)
            if let tls = operators.mapping("tls", keys: ["certificate", "key"]),
                let certificate = tls.text("certificate", required: true), let key = tls.text("key", required: true)
            {
                settings.operatorCertificate = OwnCertificate(certificate: path(certificate), key: path(key))
            }
        }
        if let log = top.mapping("log", keys: ["level", "format"]) {
            settings.logLevel = word(log, "level", Logger.Level.allCases.map(\.rawValue), Logger.Level.named) ?? settings.logLevel
            settings.logFormat =
                word(log, "format", LogFormat.allCases.map(\.rawValue), { LogFormat(rawValue: $0) }) ?? settings.logFormat
        }
        if let certificates = top.mapping("certificates", keys: ["agent_lifetime"]),
            let seconds = certificates.duration("agent_lifetime", in: 60...90 * 86_400)
        {
            settings.agentCertificateLifetime = .seconds(seconds)
        }
        if let leases = top.mapping("leases", keys: ["start", "held", "overdue", "recovery"]) {
            if let seconds = leases.duration("start", in: 1...600) { settings.orchestration.startLease = .seconds(seconds) }
            // Agents that hold a lease poll three times while it lasts.
            if let seconds = leases.duration("held", in: 5...3600) { settings.orchestration.lease = .seconds(seconds) }
            if let seconds = leases.duration("overdue", in: 1...86_400) {
                settings.orchestration.deadlineGrace = .seconds(seconds)
            }
            if let seconds = leases.duration("recovery", in: 1...3600) {
                settings.orchestration.recoveryGrace = .seconds(seconds)
            }
        }
        if let drift = top.mapping("drift", keys: ["every"]), let every = drift.duration("every", in: 10...7 * 86_400) {
            settings.driftPeriod = .seconds(every)
        }
        if let retention = top.mapping("retention", keys: ["runs", "logs", "lineage_events"]) {
            let days = 86_400.0
            settings.retention.runs = retention.duration("runs", in: days...36_500 * days).map { .seconds($0) }
            settings.retention.logs = retention.duration("logs", in: 3600...36_500 * days).map { .seconds($0) }
            settings.retention.lineageEvents = retention.duration("lineage_events", in: 3600...36_500 * days).map { .seconds($0) }
        }
        if let backup = top.mapping("backup", keys: ["folder", "sealing_key"]) {
            settings.backupFolder = backup.text("folder").map(path)
            settings.backupSealingKey = backup.text("sealing_key").map(path)
        }
        if let bundles = top.mapping("bundles", keys: ["keep_versions", "keep_days", "rollback_window"]) {
            settings.bundles.keepVersions = bundles.integer("keep_versions", in: 1...100_000).map { Int($0) }
            settings.bundles.keepAge = bundles.integer("keep_days", in: 1...36_500).map { .seconds($0 * 86_400) }
            settings.bundles.rollbackWindow =
                bundles.integer("rollback_window", in: 1...10_000).map { Int($0) } ?? settings.bundles.rollbackWindow
            settings.retention.rollbackWindow = settings.bundles.rollbackWindow
        }
        settings.signatures = SignaturePolicy(top, place: path)
        return settings
    }

    private static func address(_ mapping: YAMLMapping) -> ListenAddress? {
        guard let text = mapping.text("listen") else { return nil }
        guard let address = ListenAddress(text) else {
            mapping.reader.report(
                "'listen' of \(mapping.what) is '\(text.prefix(80))'", hint: "write host:port, e.g. 0.0.0.0:8443",
                at: mapping.position(of: "listen"))
            return nil
        }
        return address
    }

    private static func reachable(_ mapping: YAMLMapping, required: Bool) -> String? {
        guard let text = mapping.text("url", required: required) else { return nil }
        guard let url = URL(string: text), url.scheme == "https", url.host() != nil, url.path().isEmpty || url.path() == "/"
        else {
            mapping.reader.report(
                "'url' of \(mapping.what) is '\(text.prefix(80))'", hint: "write https://host:port, as others reach this machine",
                at: mapping.position(of: "url"))
            return nil
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    private static func word<Value>(
        _ mapping: YAMLMapping, _ key: String, _ choices: [String], _ make: (String) -> Value?
    ) -> Value? {
        guard let text = mapping.text(key) else { return nil }
        if let value = make(text) { return value }
        mapping.reader.unknownChoice(text, "'\(key)' of \(mapping.what)", choices, at: mapping.position(of: key))
        return nil
    }
}

extension Logger.Level {
    fileprivate static func named(_ text: String) -> Logger.Level? { allCases.first { $0.rawValue == text } }
}
