import ArgumentParser
import FlowForgeProtocol

@main
struct Flowforged: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flowforged",
        abstract: "The FlowForge control plane: decides what runs where, and never sees the data.",
        discussion: """
            EXAMPLES
              flowforged init --data /var/lib/flowforge --host flow.example.com --trust-domain example.com
              flowforged serve --config /var/lib/flowforge/flowforged.yaml

            SIGNALS
              TERM, INT   answer held requests, finish the others, stop
              HUP         load the certificate files again

            EXIT STATUS
              0   stopped as asked
              64  wrong command line
              70  an internal fault; the log has it
              73  init: there is something already, or a file cannot be made
              75  the database is held by another process, or the disk is full: try again
              78  serve: the configuration, a key, the database or a port is not usable
            """,
        version: FlowForgeVersion.current,
        subcommands: [Init.self, Serve.self, Version.self])
}

/// `flowforged version`: the same words as `--version`, with the protocol.
struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version and the agent protocol's version.")

    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        if json {
            try Output.json(["version": FlowForgeVersion.current, "protocol": "\(ProtocolVersion.current)"])
        } else {
            print("flowforged \(FlowForgeVersion.current) (agent protocol \(ProtocolVersion.current))")
        }
    }
}
