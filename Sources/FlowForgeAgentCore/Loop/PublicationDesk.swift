import FlowForgeProtocol
import Foundation
import Logging
import Synchronization

/// Moves pointer files where the control plane has accepted an outcome, and says so.
final class PublicationDesk: Sendable {
    private let spool: EventSpool
    private let lake: LakeFolder
    private let logger: Logger
    private let now: @Sendable () -> Date
    /// What was reported as moved lately. The control plane repeats a publication until our report has
    /// reached it; answering each repetition would fill the spool.
    private let reported = Mutex<[AgentAPI.Publication: Date]>([:])
    private static let repeatAfter = 60.0

    init(spool: EventSpool, lake: LakeFolder, logger: Logger, now: @escaping @Sendable () -> Date = Date.init) {
        self.spool = spool
        self.lake = lake
        self.logger = logger
        self.now = now
    }

    /// A failure is logged and left to the control plane's next repetition.
    func publish(_ publication: AgentAPI.Publication) async {
        let time = now()
        let isKnown = reported.withLock { reported in
            reported = reported.filter { time.timeIntervalSince($0.value) < Self.repeatAfter }
            return reported[publication] != nil
        }
        if isKnown { return }
        do {
            guard isPlainName(publication.environment) else {
                throw TaskError(code: "invalid_publication", message: "the environment's name is not a plain name")
            }
            try LakePublisher.publish(publication, lake: lake.following(publication.storage))
            try await spool.append(EventDraft(at: time, body: .published(publication)))
            reported.withLock { $0[publication] = time }
            logger.info(
                "published",
                metadata: [
                    "environment": "\(publication.environment)", "asset": "\(publication.asset)",
                    "version": "\(publication.snapshot.version)",
                ])
        } catch {
            logger.error(
                "a pointer could not be moved; the control plane will ask again",
                metadata: ["asset": "\(publication.asset)", "reason": "\(error)"])
        }
    }
}
