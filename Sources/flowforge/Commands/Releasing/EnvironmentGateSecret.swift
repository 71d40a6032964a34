import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct EnvironmentGateSecret: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "gate-secret", abstract: "Show the secret that an external gate's system shares; for owners.",
        discussion: """
            The system checks the signature of what it is asked with it, and signs the answers that it posts later, as \
            https://www.standardwebhooks.com says. It is of this gate of this environment only, and is the same each \
            time; a gate of another name has another. That somebody looked is audited.

              flowforge env gate-secret prod change-record
            """)
    @Argument(help: "The environment.") var environment: String
    @Argument(help: "The gate.") var gate: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.gateSecret(gate, of: environment)
        try remote.show(view) { style, _ in
            "\(view.secret.reveal())\n\n\(style.paint("Shared with \(Printable.line(view.url)).", .dim))"
        }
    }
}
