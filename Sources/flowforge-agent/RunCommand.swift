import ArgumentParser
import FlowForgeAgentCore
import FlowForgeBundle
import Foundation

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Takes work until it is stopped with SIGTERM.",
        discussion: """
            Running tasks may go on for shutdown.grace after SIGTERM; then they are ended and reported.

              flowforge-agent run --config /etc/flowforge/flowforge-agent.yaml --check
            """)

    @Option(help: "The configuration, YAML; agent-config/flowforge-agent.yaml is a commented example.")
    var config = "/etc/flowforge/flowforge-agent.yaml"
    @Flag(help: "Check the configuration and this machine, say what was found, and stop.")
    var check = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let configuration: AgentConfiguration
        do { configuration = try AgentConfiguration(file: URL(filePath: config), environment: environment) } catch {
            throw fail("\(error)", ExitStatus.configuration)
        }
        let logger = AgentLog.logger(configuration.log)
        do {
            let assembly = try await AgentAssembly(configuration, onlyChecks: check, logger: logger)
            if check {
                print(assembly.report)
                if !assembly.canRun { throw ExitStatus.failed }
            } else {
                try await assembly.run(environment: environment)
            }
        } catch let status as ExitCode {
            throw status
        } catch let fault as AgentFault {
            throw fail(fault, fault.isRefusal ? ExitStatus.refused : ExitStatus.configuration)
        } catch let error as IdentityError {
            throw fail(error, ExitStatus.refused)
        } catch {
            throw fail("\(error)", ExitStatus.failed)
        }
    }
}
