import Foundation
import Subprocess
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A command of a task, run under `flowforge-launch` so that nothing of it survives its end, its
/// cancellation or the death of the agent.
struct LaunchedCommand: Sendable {
    var host: EngineHost
    var executable: String
    var arguments: [String]
    /// The whole environment of the command.
    var environment: [String: String]
    /// The command's working folder.
    var folder: URL
    /// Where ``ProcessUsage`` is written.
    var usageFile: URL
    /// A limit on virtual memory, in bytes.
    var addressSpace: Int64?
    /// The first signal of a cancellation. After `SIGINT` the launcher goes on to `SIGTERM`, then to `SIGKILL`.
    var endsWith: Signal = .terminate

    func configuration() -> Configuration {
        Self.ignoreBrokenPipes
        var options = PlatformOptions()
        // A session of its own keeps a terminal's Ctrl-C for the agent, which ends its tasks in order.
        options.createSession = true
        // The launcher needs up to two graces (INT, TERM) before its KILL; only a launcher that
        // hangs gets the final SIGKILL that Subprocess adds to this sequence.
        options.teardownSequence = [
            .send(signal: endsWith, allowedDurationToNextStep: .seconds(2 * host.graceSeconds + 10))
        ]
        var launch = [
            "--parent", String(ProcessInfo.processInfo.processIdentifier), "--grace", String(host.graceSeconds),
            "--usage", usageFile.path(percentEncoded: false),
        ]
        if let addressSpace { launch += ["--as", String(addressSpace)] }
        return Configuration(
            executable: .path(FilePath(host.launcher.path(percentEncoded: false))),
            arguments: Arguments(launch + ["--", executable] + arguments),
            environment: .custom(
                Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
            workingDirectory: FilePath(folder.path(percentEncoded: false)),
            platformOptions: options)
    }

    /// Writing to a process that has just died must be an error, not the end of the agent.
    private static let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
}
