import ArgumentParser
import FlowForgeProtocol

struct CompletionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Print a script that completes commands in a shell.",
        discussion: """
              flowforge completions bash > ~/.local/share/bash-completion/completions/flowforge
              flowforge completions zsh > "${fpath[1]}/_flowforge"
              flowforge completions fish > ~/.config/fish/completions/flowforge.fish
            """)
    enum Shell: String, ExpressibleByArgument, CaseIterable { case bash, zsh, fish }

    @Argument(help: "bash, zsh or fish.") var shell: Shell
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global)
        let script =
            switch shell {
            case .bash: Flowforge.completionScript(for: .bash)
            case .zsh: Flowforge.completionScript(for: .zsh)
            case .fish: Flowforge.completionScript(for: .fish)
            }
        if console.json { return try console.print(json: ["shell": shell.rawValue, "script": script]) }
        try console.print(script)
    }
}

struct VersionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version of this program.",
        discussion: """
              flowforge version --json
            """)
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global)
        if console.json { return try console.print(json: ["version": FlowForgeVersion.current]) }
        try console.print("flowforge \(FlowForgeVersion.current)")
    }
}
