import ArgumentParser
import Foundation
import Testing

@testable import flowforge

@Suite struct HelpTests {
    private struct Entry {
        let path: [String]
        let type: any ParsableCommand.Type
    }

    private static func walk(_ type: any ParsableCommand.Type = Flowforge.self, _ path: [String] = []) -> [Entry] {
        [Entry(path: path, type: type)]
            + type.configuration.subcommands.flatMap { walk($0, path + [$0.configuration.commandName ?? "?"]) }
    }

    @Test func `every command explains itself, shows an example and is in the documentation`() throws {
        let reference = try String(contentsOf: Command.root.appending(path: "docs/cli.md"), encoding: .utf8)
        let entries = Self.walk()
        #expect(entries.count > 45)
        for entry in entries {
            let command = (["flowforge"] + entry.path).joined(separator: " ")
            let help = Flowforge.helpMessage(for: entry.type, columns: 1000)
            #expect(help.contains("OVERVIEW: "), "\(command) has no abstract")
            #expect(reference.contains("`\(command)"), "docs/cli.md does not mention `\(command)`")
            guard entry.type.configuration.subcommands.isEmpty else { continue }
            #expect(entry.type.configuration.discussion.contains(command), "\(command) has no example in its help")
            for option in ["--json", "--context", "--no-color", "--quiet", "--timeout"] {
                #expect(help.contains(option), "\(command) has no \(option)")
            }
            // An option that is not described is an option that is not known.
            for match in help.matches(of: /\n  (?:-\w, )?(--[a-z-]+)/) {
                let option = String(match.1)
                #expect(reference.contains(option), "docs/cli.md does not mention \(option) of \(command)")
            }
        }
    }

    @Test func `help of every command ends with 0 and nothing on standard error`() async throws {
        try await Command.with { command in
            // One process for all of them: what is asked is the same program's doing.
            let calls = Self.walk().map { "\"$0\" \($0.path.joined(separator: " ")) --help >/dev/null || echo failed \($0.path)" }
            let result = try await command.shell(calls.joined(separator: "\n"))
            #expect(result.status == 0 && result.output.isEmpty && result.errors.isEmpty, "\(result)")
        }
    }

    @Test func `every exit code is in the documentation and in the root's help`() throws {
        let reference = try String(contentsOf: Command.root.appending(path: "docs/cli.md"), encoding: .utf8)
        for status in ExitStatus.allCases {
            #expect(reference.contains("| \(status.rawValue) |"), "docs/cli.md does not mention exit code \(status.rawValue)")
        }
        let help = Flowforge.helpMessage(columns: 10_000)
        for status in ExitStatus.allCases where status.rawValue < 10 { #expect(help.contains("\(status.rawValue) ")) }
    }
}
