import ArgumentParser
import FlowForgeBundle
import FlowForgeServer
import FlowForgeStore
import Foundation
import Logging
import ServiceLifecycle
import UnixSignals

/// `flowforged serve`.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the control plane until SIGTERM or SIGINT.",
        discussion: """
            Refuses to start, with one line that says what to do, on an unknown configuration key, a key file that others may
            read, a database of a newer version, a port in use, or a folder that was not set up.

            EXAMPLE
              flowforged serve --config /var/lib/flowforge/flowforged.yaml
            """)

    @Option(help: "The configuration file that `flowforged init` wrote.") var config: String
    @Flag(help: "Check the configuration, print nothing if it is usable, and exit.") var check = false

    func run() async throws {
        do {
            let settings = try ServerSettings(file: URL(filePath: config))
            if check { return }
            let logger = Self.logger(settings)
            logger.info("time zones", metadata: ["data": "\(SystemZones.adopt())"])
            let controlPlane = try ControlPlane(settings: settings, storeOptions: .live, logger: logger)
            try await Self.group(controlPlane, logger).run()
            logger.info("stopped")
        } catch {
            throw Output.failure(error, setUp: 78)
        }
    }

    private static func logger(_ settings: ServerSettings) -> Logger {
        Logger(label: "flowforged") { label in
            switch settings.logFormat {
            case .json: return JSONLogHandler(label: label, level: settings.logLevel)
            case .text:
                var handler = StreamLogHandler.standardError(label: label)
                handler.logLevel = settings.logLevel
                return handler
            }
        }
    }

    private static func group(_ controlPlane: ControlPlane, _ logger: Logger) -> ServiceGroup {
        // The notifier comes before what drains, so that it says STOPPING after the group began to stop.
        let services =
            controlPlane.lifecycle + [
                ReloadOnHangup(controlPlane: controlPlane, logger: logger),
                SystemdNotifier(controlPlane: controlPlane, logger: logger),
            ]
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .notice)
        var configuration = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        // A client that sends a body slowly must not hold up the stop.
        configuration.maximumGracefulShutdownDuration = .seconds(5)
        configuration.maximumCancellationDuration = .seconds(2)
        return ServiceGroup(configuration: configuration)
    }
}

/// SIGHUP loads the certificate files again.
struct ReloadOnHangup: Service {
    let controlPlane: ControlPlane
    let logger: Logger

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            do {
                try controlPlane.reload()
            } catch {
                logger.error("reload failed; what was loaded before stays in use", metadata: ["error": "\(error)"])
            }
        }
    }
}
