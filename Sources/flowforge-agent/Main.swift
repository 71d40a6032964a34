import ArgumentParser
import FlowForgeProtocol
import Foundation

@main
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flowforge-agent",
        abstract: "Runs FlowForge's tasks beside the data. It only dials out and opens no port.",
        discussion: """
            Join once, with a token from `flowforge agent token create`:
              flowforge-agent join --url https://flowforge.example:8443 --pool warehouse \\
                  --token-file token --ca-fingerprint sha256:… --state-dir /var/lib/flowforge-agent
            Look whether everything is in place, then run (systemd does this):
              flowforge-agent run --config /etc/flowforge/flowforge-agent.yaml --check
              flowforge-agent run --config /etc/flowforge/flowforge-agent.yaml

            Exit status: 0 done or stopped; 1 failed; 64 wrong usage; 69 the control plane cannot be
            reached; 77 refused (token, certificate, revoked); 78 the configuration is wrong.
            """,
        version: FlowForgeVersion.current, subcommands: [JoinCommand.self, RunCommand.self])
}

/// Exit statuses of sysexits.h that callers may rely on.
enum ExitStatus {
    static let failed = ExitCode(1)
    static let unreachable = ExitCode(69)
    static let refused = ExitCode(77)
    static let configuration = ExitCode(78)
}

/// One line on standard error for each of the text's, then the exit with `status`.
func fail(_ text: some CustomStringConvertible, _ status: ExitCode) -> ExitCode {
    FileHandle.standardError.write(Data("flowforge-agent: \(text)\n".utf8))
    return status
}
