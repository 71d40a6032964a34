public import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
public import Foundation

extension AgentConfiguration {
    /// Reads the file. Relative paths in it are relative to its folder.
    ///
    /// - Parameter environment: where a proxy is looked up that the file does not name.
    /// - Throws: `Problems`, everything that is wrong at once; a file that cannot be opened is one too.
    public init(file: URL, environment: [String: String]) throws(Problems) {
        let bytes: Data
        do { bytes = try Data(contentsOf: file) } catch {
            throw Problems([
                Problem(
                    file: file.path, message: "the configuration cannot be read: \(String(cString: strerror(errno)))",
                    hint: "name it with --config; agent-config/flowforge-agent.yaml is a commented example")
            ])
        }
        try self.init(bytes, file: file, environment: environment)
    }

    init(_ bytes: Data, file: URL, environment: [String: String]) throws(Problems) {
        let yaml = StrictYAML(file: file.path)
        var reader = ConfigurationReader(yaml: yaml, folder: file.deletingLastPathComponent(), environment: environment)
        let root = yaml.parse(bytes).flatMap { yaml.mapping($0, keys: ConfigurationReader.keys, of: "the configuration") }
        let configuration = root.flatMap { reader.read($0) }
        try yaml.finish()
        guard let configuration else { throw Problems([Problem(file: file.path, message: "the configuration is empty")]) }
        self = configuration
    }
}

/// The keys of the file, one method a section.
private struct ConfigurationReader {
    static let keys = [
        "control_plane", "state_dir", "workspace_dir", "lake", "name", "pool", "slots", "labels", "engines", "limits",
        "spool", "bundle_cache", "proxy", "ca_file", "shutdown", "log", "file_triggers", "signatures", "credentials",
    ]

    let yaml: StrictYAML
    let folder: URL
    let environment: [String: String]

    mutating func read(_ root: YAMLMapping) -> AgentConfiguration? {
        let url = url(root.mapping("control_plane", keys: ["url"], required: true))
        let state = path(root, "state_dir", required: true)
        let lakeSection = root.mapping("lake", keys: ["root", "roots"], required: true)
        let lake = lakeSection.flatMap { path($0, "root", required: true) }
        let name = root.text("name") ?? ProcessInfo.processInfo.hostName
        let pool = root.text("pool")
        if let pool, !isPlainName(pool, dashes: true) {
            yaml.report(
                "'pool' is '\(pool.prefix(80))'", hint: "a-z, 0-9, _ and -, starting with a letter", at: root.position(of: "pool")
            )
        }
        let slots = root.integer("slots", in: 1...1024) ?? 2
        let engines = root.mapping("engines", keys: ["duckdb", "command"])
        let duckdb = engines?.mapping("duckdb", keys: ["executable", "extensions"])
        let command = engines?.mapping("command", keys: ["enabled", "python"])
        let limits = root.mapping("limits", keys: ["memory", "threads"])
        let spool = root.mapping("spool", keys: ["max_bytes"])
        let cache = root.mapping("bundle_cache", keys: ["max_bytes"])
        let shutdown = root.mapping("shutdown", keys: ["grace"])
        let configuration = AgentConfiguration(
            url: url ?? folder, state: state ?? folder, lake: lake ?? folder, lakeRoots: lakeSection.map(lakeRoots) ?? [:],
            watchedFolders: watchedFolders(root),
            credentials: credentials(root),
            name: name,
            pool: pool, slots: Int(slots),
            labels: labels(root), duckdb: duckdb.flatMap { path($0, "executable", required: true) },
            extensions: duckdb.flatMap { path($0, "extensions") }, commandsEnabled: command?.boolean("enabled") ?? true,
            python: command.flatMap { path($0, "python") } ?? URL(filePath: "/usr/bin/python3"),
            taskMemoryBytes: limits?.size("memory", in: (64 << 20)...(1 << 50)) ?? 4 << 30,
            taskThreads: Int(limits?.integer("threads", in: 1...1024) ?? 4),
            workspaces: path(root, "workspace_dir") ?? (state ?? folder).appending(path: "work"),
            spool: SpoolLimits(maxBytes: Int(spool?.size("max_bytes", in: (1 << 20)...(1 << 40)) ?? 256 << 20)),
            bundleCacheBytes: cache?.size("max_bytes", in: (16 << 20)...(1 << 40)) ?? 1 << 30,
            signatures: SignaturePolicy(root, place: place),
            proxies: proxies(root), extraRoots: path(root, "ca_file"),
            grace: .seconds(shutdown?.duration("grace", in: 0...3600) ?? 30), log: log(root))
        return url != nil && state != nil && lake != nil ? configuration : nil
    }

    private func url(_ section: YAMLMapping?) -> URL? {
        guard let section, let text = section.text("url", required: true) else { return nil }
        do { return try LinkSettings.url(text) } catch {
            yaml.report("'url' of 'control_plane': \(error)", at: section.position(of: "url"))
            return nil
        }
    }

    private func path(_ section: YAMLMapping, _ key: String, required: Bool = false) -> URL? {
        guard let text = section.text(key, required: required), !text.isEmpty else { return nil }
        return place(text)
    }

    /// Relative paths are relative to the configuration's folder.
    private func place(_ path: String) -> URL {
        path.hasPrefix("/") ? URL(filePath: path) : folder.appending(path: path).standardizedFileURL
    }

    private func lakeRoots(_ lake: YAMLMapping) -> [String: URL] {
        lake.names("roots").reduce(into: [:]) { roots, entry in
            guard isPlainName(entry.key, dashes: true) else {
                yaml.report(
                    "'\(entry.key.prefix(80))' is no name of a root", hint: "a-z, 0-9, _ and -, starting with a letter",
                    at: entry.position)
                return
            }
            roots[entry.key] = yaml.text(entry.value, "root '\(entry.key)'").map(place)
        }
    }

    private func watchedFolders(_ root: YAMLMapping) -> [URL] {
        guard let section = root.mapping("file_triggers", keys: ["folders"]) else { return [] }
        return folders(section, "folders", required: true)
    }

    private func folders(_ section: YAMLMapping, _ key: String, required: Bool = false) -> [URL] {
        (section.texts(key, required: required) ?? []).compactMap { text, position in
            guard !text.isEmpty, !text.split(separator: "/").contains("..") else {
                yaml.report("'\(text.prefix(80))' of '\(key)' is no folder", hint: "a path without '..'", at: position)
                return nil
            }
            return place(text)
        }
    }

    private func credentials(_ root: YAMLMapping) -> CredentialSettings {
        var settings = CredentialSettings()
        guard let section = root.mapping("credentials", keys: ["allow_env", "allow_files", "aws", "azure", "gcp"]) else {
            return settings
        }
        for (text, position) in section.texts("allow_env") ?? [] {
            guard (try? CredentialReference("env://\(text)")) != nil else {
                yaml.report(
                    "'\(text.prefix(80))' of 'allow_env' is no name of a variable", hint: "letters, digits and _", at: position)
                continue
            }
            settings.allowedVariables.insert(text)
        }
        settings.allowedFolders = folders(section, "allow_files")
        if let aws = section.mapping("aws", keys: ["region", "endpoint"]) {
            settings.awsRegion = hostName(aws, "region")
            settings.awsEndpoint = endpoint(aws)
        }
        if let azure = section.mapping("azure", keys: ["client_id", "suffix", "endpoint"]) {
            settings.azureClient = hostName(azure, "client_id")
            settings.azureSuffix = hostName(azure, "suffix") ?? settings.azureSuffix
            settings.azureEndpoint = endpoint(azure)
        }
        if let gcp = section.mapping("gcp", keys: ["endpoint"]) { settings.gcpEndpoint = endpoint(gcp) }
        return settings
    }

    /// Text of letters, digits, hyphens and dots, which becomes part of an address.
    private func hostName(_ section: YAMLMapping, _ key: String) -> String? {
        guard let text = section.text(key), !text.isEmpty else { return nil }
        guard text.utf8.count <= 128,
            text.unicodeScalars.allSatisfy({
                $0.isASCII && ($0 == "-" || $0 == "." || Character($0).isLetter || Character($0).isNumber)
            })
        else {
            yaml.report("'\(key)' is '\(text.prefix(80))'", hint: "letters, digits, - and . only", at: section.position(of: key))
            return nil
        }
        return text
    }

    private func endpoint(_ section: YAMLMapping) -> String? {
        guard let text = section.text("endpoint"), !text.isEmpty else { return nil }
        let parts = URLComponents(string: text)
        // Secrets travel there: without TLS only on this machine.
        let isNear = ["127.0.0.1", "localhost", "[::1]", "::1"].contains(parts?.host ?? "")
        guard let parts, parts.scheme == "https" || (parts.scheme == "http" && isNear), parts.host?.isEmpty == false,
            parts.path.isEmpty,
            parts.query == nil, parts.user == nil, parts.fragment == nil
        else {
            yaml.report(
                "'endpoint' is not https://host[:port]", hint: "http is for this machine only",
                at: section.position(of: "endpoint"))
            return nil
        }
        return text
    }

    private func labels(_ root: YAMLMapping) -> [String: String] {
        var labels: [String: String] = [:]
        for entry in root.names("labels") { labels[entry.key] = yaml.text(entry.value, "label '\(entry.key.prefix(80))'") }
        return labels
    }

    private func proxies(_ root: YAMLMapping) -> ProxyRules {
        guard let section = root.mapping("proxy", keys: ["https", "no_proxy"]) else {
            do { return try .environment(environment) } catch {
                yaml.report("\(error)")
                return .direct
            }
        }
        guard let text = section.text("https"), !text.isEmpty else { return .direct }
        guard let proxy = ProxyEndpoint(text) else {
            // Not quoted: it may hold a password.
            yaml.report(
                "'https' of 'proxy' is not an HTTP proxy's address",
                hint: "http://[user:password@]host:port; TLS to the proxy is not supported", at: section.position(of: "https"))
            return .direct
        }
        let exceptions = section.texts("no_proxy", single: true)?.map(\.text).joined(separator: ",") ?? ""
        return ProxyRules(proxy: proxy, noProxy: exceptions, proxiesLoopback: true)
    }

    private func log(_ root: YAMLMapping) -> LogSettings {
        let section = root.mapping("log", keys: ["level", "format"])
        return LogSettings(
            level: section?.choice("level", LogSettings.Level.self) ?? .info,
            format: section?.choice("format", LogSettings.Format.self) ?? .text)
    }
}
