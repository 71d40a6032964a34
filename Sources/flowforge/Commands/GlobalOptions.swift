import ArgumentParser

/// The options that every command has.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Use this context instead of the current one.", valueName: "name"))
    var context: String?

    @Flag(help: "Print the API's JSON; errors as {\"error\":{…}} on standard error.")
    var json = false

    @Flag(help: "No colours. (NO_COLOR does the same.)")
    var noColor = false

    @Flag(name: [.short, .long], help: "Only what was asked for, no notes.")
    var quiet = false

    @Option(help: ArgumentHelp("How long to wait for an answer.", valueName: "seconds"))
    var timeout: Double = 30

    func validate() throws {
        guard timeout >= 0.1, timeout <= 86400 else {
            throw ValidationError("--timeout must be between 0.1 and 86400 seconds")
        }
    }
}
