import ArgumentParser
import FlowForgeProtocol
import Foundation

@main enum Program {
    static func main() async {
        // A closed pipe is an error of write(2), see `OutputClosed`, never a signal.
        signal(SIGPIPE, SIG_IGN)
        exit(await run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }

    static func run(_ arguments: [String]) async -> ExitStatus {
        // Needed before the options are parsed, and when they cannot be.
        let options = arguments.prefix { $0 != "--" }
        let console = Console(
            json: options.contains("--json"), quiet: false, noColor: options.contains("--no-color"),
            environment: ProcessInfo.processInfo.environment)
        do {
            var command = try Flowforge.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return .ok
        } catch {
            let status = tell(error, console)
            let isOfPlan = isPlan(arguments) && !(error is Ended) && ![.ok, .outputClosed].contains(status)
            return isOfPlan ? .failed : status
        }
    }

    /// Whether the command is `flowforge plan` itself, whose codes above 1 say what the plan is. Options before `plan`
    /// are wrong usage, which is no plan with changes either.
    private static func isPlan(_ arguments: [String]) -> Bool {
        var words = arguments.prefix { $0 != "--" }
        while let word = words.first, word.hasPrefix("-") {
            words.removeFirst()
            // Those that take a value.
            if ["--context", "--timeout"].contains(word) { words = words.dropFirst() }
        }
        guard words.first == "plan" else { return false }
        let others = PlanCommand.configuration.subcommands.compactMap { $0.configuration.commandName }
            .filter { $0 != PlanMake.configuration.commandName }
        return !(others + ["help"]).contains(words.dropFirst().first ?? "")
    }

    private static func tell(_ error: any Error, _ console: Console) -> ExitStatus {
        switch error {
        case let error as Ended: return error.status
        case is OutputClosed: return .outputClosed
        case let error where isParserError(error): return tell(parserError: error, console)
        default:
            let report = ErrorReport(error)
            tell(report.error, console) { report.text(console.noteStyle) }
            return report.status
        }
    }

    /// Help and completion scripts arrive as errors too; they go to standard output.
    private static func tell(parserError error: any Error, _ console: Console) -> ExitStatus {
        let text = Flowforge.fullMessage(for: error)
        if Flowforge.exitCode(for: error).isSuccess {
            do {
                if !text.isEmpty { try console.print(text) }
                return .ok
            } catch {
                return tell(error, console)
            }
        }
        tell(APIError("usage", Flowforge.message(for: error), hint: "flowforge help shows how to use it"), console) {
            text.replacingOccurrences(of: "Error: ", with: console.noteStyle.paint("error:", .bold, .red) + " ")
        }
        return .usage
    }

    private static func tell(_ error: APIError, _ console: Console, _ text: () -> String) {
        guard console.json else { return console.complain(text()) }
        // Encoding text cannot fail; if it did, the plain form would still say what happened.
        let json = (try? WireCoding.encode(ErrorBody(error))).map { String(decoding: $0, as: UTF8.self) }
        console.complain(json ?? text())
    }

    /// Whether the parser has words of its own for the error: its own errors, which are not public, all
    /// live in its module.
    private static func isParserError(_ error: any Error) -> Bool {
        String(reflecting: type(of: error)).hasPrefix("ArgumentParser.")
    }
}
