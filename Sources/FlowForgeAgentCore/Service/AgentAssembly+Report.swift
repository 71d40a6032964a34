import Foundation

extension AgentAssembly {
    /// What was found, for people; one line each.
    public var report: String {
        var lines = [
            "agent          \(identity.agent) (\(identity.name)) of pool \(identity.pool)",
            "control plane  \(configuration.url.absoluteString)"
                + (configuration.link.proxy.map { " through proxy \($0.host):\($0.port)" } ?? ""),
            "certificate    until \(identity.notAfter.ISO8601Format())",
            "state          \(configuration.state.path)",
            "lake           \(configuration.lake.path), writable",
        ]
        for (name, root) in configuration.lakeRoots.sorted(by: { $0.key < $1.key }) {
            lines.append("lake root      \(name): \(root.path), writable")
        }
        lines.append("slots          \(configuration.slots)")
        for finding in engines {
            let result =
                switch finding.result {
                case .success(let version): version
                case .failure: "not offered: \(Self.reason(finding))"
                }
            lines.append("engine         \(finding.name) \(result)")
        }
        if !canRun { lines.append("engine         none can be offered; the agent will not start") }
        return lines.joined(separator: "\n")
    }

    /// At least one engine works.
    public var canRun: Bool { engines.contains { if case .success = $0.result { true } else { false } } }
}
