import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Logging

/// Gives a task its secrets for as long as its attempt lasts, and sees to it that nothing that it says
/// holds one.
struct CredentialDesk: Sendable {
    var resolver: CredentialResolver
    /// Where folders of attempts are made; `nil` where this machine has no place for them.
    var root: URL?

    /// Runs `body` with the task's folder of credentials, if it names any. Never throws: what cannot be had
    /// is the attempt's outcome.
    func serving(
        _ work: TaskWork, _ reporting: any TaskReporting, logger: Logger,
        _ body: @Sendable (TaskWork, any TaskReporting) async -> AgentAPI.Finished
    ) async -> AgentAPI.Finished {
        guard let names = work.task.credentials, !names.isEmpty else { return await body(work, reporting) }
        let (folder, redactor): (CredentialFolder, Redactor)
        do {
            let values = try await resolver.resolve(names, among: work.assignment.credentials ?? [:])
            redactor = Redactor(values)
            folder = try CredentialFolder(values, attempt: work.assignment.attempt, root: root)
        } catch {
            if Task.isCancelled { return AgentAPI.Finished(outcome: .cancelled, metrics: TaskMetrics()) }
            return await refused(error, reporting)
        }
        defer {
            do { try folder.remove() } catch {
                logger.error(
                    "credentials stay behind in memory", metadata: ["folder": "\(folder.url.path)", "reason": "\(error)"])
            }
        }
        logger.info("credentials resolved", metadata: ["names": "\(names.joined(separator: ","))"])
        var work = work
        work.credentials = folder.url
        return await Redactor.$current.withValue(redactor) {
            redactor.redact(await body(work, RedactingReporter(inner: reporting, redactor: redactor)))
        }
    }

    private func refused(_ error: any Error, _ reporting: any TaskReporting) async -> AgentAPI.Finished {
        let error = AttemptRun.taskError(error)
        // The reporter keeps a fault of its own, which fails the attempt's end.
        try? await reporting.log(.system, "failed: \(error.message)\(error.hint.map { " (\($0))" } ?? "")")
        return AgentAPI.Finished(outcome: .failed, metrics: TaskMetrics(), error: error)
    }
}
