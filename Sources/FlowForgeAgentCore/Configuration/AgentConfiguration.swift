public import FlowForgeBundle
public import Foundation

/// What `agent.yaml` says, complete with defaults. See agent-config/flowforge-agent.yaml.
public struct AgentConfiguration: Sendable {
    public var url: URL
    /// Identity, spool, bundles and workspaces.
    public var state: URL
    public var lake: URL
    /// Other roots of the lake, by the names that environments have for them.
    public var lakeRoots: [String: URL]
    /// Where file triggers may look, beside the lake.
    public var watchedFolders: [URL]
    public var credentials: CredentialSettings
    public var name: String
    /// The pool that the identity must be of; `nil` takes whatever was joined.
    public var pool: String?
    /// Tasks that may run at once.
    public var slots: Int
    public var labels: [String: String]
    public var duckdb: URL?
    public var extensions: URL?
    public var commandsEnabled: Bool
    /// The interpreter of bundles that lock Python packages.
    public var python: URL
    /// The most that one task may be given.
    public var taskMemoryBytes: Int64
    public var taskThreads: Int
    public var workspaces: URL
    public var spool: SpoolLimits
    public var bundleCacheBytes: Int64
    /// Whose signatures a bundle must bear before any of it runs here.
    public var signatures: SignaturePolicy
    public var proxies: ProxyRules
    public var extraRoots: URL?
    /// How long running tasks may go on after SIGTERM.
    public var grace: Duration
    public var log: LogSettings

    public var link: LinkSettings { LinkSettings(url: url, proxies: proxies, extraRoots: extraRoots) }
}

public struct LogSettings: Sendable {
    public enum Level: String, CaseIterable, Sendable { case trace, debug, info, notice, warning, error }
    public enum Format: String, CaseIterable, Sendable { case text, json }

    public var level: Level
    public var format: Format

    public init(level: Level = .info, format: Format = .text) {
        self.level = level
        self.format = format
    }
}
