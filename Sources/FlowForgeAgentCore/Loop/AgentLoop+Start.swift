import FlowForgeProtocol
import Foundation
import Logging

extension AgentLoop {
    /// What ran when the agent died can be told now; what it left on the disk can go.
    ///
    /// It goes first: a task that filled the disk would otherwise keep its agent from ever starting again.
    func reportTheDead() async throws {
        let logger = context.logger
        if let finding = context.journal.finding { logger.error("journal set aside", metadata: ["reason": "\(finding)"]) }
        try removeWorkspaces()
        if let root = context.credentials.root {
            do { try CredentialFolder.clear(root) } catch {
                logger.error("credentials stay behind in memory", metadata: ["folder": "\(root.path)", "reason": "\(error)"])
            }
        }
        for held in context.journal.leftovers {
            let error = TaskError(
                code: "agent_restarted", message: "the agent died while the task ran", hint: "see the agent's own log",
                retryable: true)
            let finished = AgentAPI.Finished(outcome: .lost, metrics: TaskMetrics(), error: error)
            logger.warning("an attempt died with the agent's last run", metadata: ["attempt": "\(held.attempt)"])
            do {
                try await context.spool.append(EventDraft(at: context.now(), held: held, body: .finished(finished)))
                try context.journal.remove(held.attempt)
            } catch {
                // An agent that polls is worth more than this report: the lease lapses by itself.
                logger.error(
                    "an attempt's death is reported at the next start only",
                    metadata: ["attempt": "\(held.attempt)", "reason": "\(error)"])
            }
        }
    }

    private func removeWorkspaces() throws {
        let logger = context.logger
        try DiskFile.makeFolder(context.workspaces, mode: 0o700)
        var dead = Set(context.journal.leftovers.map(\.attempt))
        for name in try FileManager.default.contentsOfDirectory(atPath: context.workspaces.path) {
            guard ID<Inquiry>(name) != nil || ID<Attempt>(name) != nil else { continue }
            if let attempt = ID<Attempt>(name) { dead.insert(attempt) }
            let folder = context.workspaces.appending(path: name)
            do { try FileManager.default.removeItem(at: folder) } catch {
                // It takes space and nothing else: nobody else gets this folder.
                logger.warning("a workspace stays behind", metadata: ["folder": "\(folder.path)", "reason": "\(error)"])
            }
        }
        do {
            let removed = try LakePublisher.sweep(lake: context.lake, dead: dead)
            if removed > 0 { logger.info("staging of dead attempts removed", metadata: ["folders": "\(removed)"]) }
        } catch {
            logger.warning("staging of dead attempts stays behind", metadata: ["reason": "\(error)"])
        }
    }
}
