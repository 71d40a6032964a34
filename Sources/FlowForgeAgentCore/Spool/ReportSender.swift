public import FlowForgeProtocol
import Foundation
public import Logging
public import ServiceLifecycle

/// Sends what the spool holds, in order, until the control plane has acknowledged it.
///
/// A batch is repeated unchanged as long as it is not acknowledged; the control plane skips what it
/// already has. On shutdown what is left is sent for `flushTime`, then kept for the next start.
public struct ReportSender: Service {
    let spool: EventSpool
    let controlPlane: any ControlPlane
    /// Told at once of leases that are gone and of pointers that may move.
    let listener: any ReportListener
    let backoff: Backoff
    let flushTime: Duration
    let logger: Logger
    let sleep: @Sendable (Duration) async throws -> Void

    public init(
        spool: EventSpool, controlPlane: any ControlPlane, listener: any ReportListener, backoff: Backoff = Backoff(),
        flushTime: Duration = .seconds(5), logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.spool = spool
        self.controlPlane = controlPlane
        self.listener = listener
        self.backoff = backoff
        self.flushTime = flushTime
        self.logger = logger
        self.sleep = sleep
    }

    public func run() async throws {
        try await cancelWhenGracefulShutdown { try await sendUntilCancelled() }
        do { try await withDeadline(flushTime) { try await send() } } catch {
            let left = try await spool.unacknowledged()
            if left == 0 { return }
            logger.warning(
                "stopped with reports unsent; they are sent at the next start",
                metadata: ["events": "\(left)", "reason": "\(error)"])
        }
    }

    func sendUntilCancelled() async throws {
        do {
            try await send()
            for await _ in spool.arrivals { try await send() }
        } catch is CancellationError { return }
    }

    /// Until everything is acknowledged.
    func send() async throws {
        var backoff = backoff
        var largest = 500
        while true {
            try Task.checkCancellation()
            do {
                guard let (batch, body) = try await spool.batch(events: largest, offer: listener.offer()) else { return }
                for finding in batch.findings { logger.error("spool repaired", metadata: ["finding": "\(finding)"]) }
                do {
                    try await accept(try await controlPlane.report(body), of: batch)
                    backoff.reset()
                    largest = 500
                } catch LinkError.refused(let refusal, let status) {
                    switch try await mend(refusal, of: batch) {
                    case .mended: break
                    case .mendedByAnotherName: try await sleep(backoff.next())
                    case .oneOfMany: largest = 1
                    case .nothing: throw LinkError.refused(refusal, status: status)
                    }
                }
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                // Also a spool that cannot be changed, as on a full disk: its events stay, and are sent when it can.
                let delay = listener.bounded(backoff.next())
                logger.warning("report not sent", metadata: ["reason": "\(error)", "retry_s": "\(delay.inSeconds)"])
                try await sleep(delay)
            }
        }
    }

    private enum Mending {
        case mended
        /// It may be refused under the new one too.
        case mendedByAnotherName
        /// One event of the batch is refused; which one shows when they are sent one by one.
        case oneOfMany
        /// Nothing is wrong with what was sent.
        case nothing
    }

    /// Changes the spool where sending the same again would be refused again.
    private func mend(_ refusal: APIError, of batch: SpoolBatch) async throws -> Mending {
        if Self.namesGap(refusal) {
            logger.warning(
                "the control plane lacks earlier reports; numbering starts anew", metadata: ["reason": "\(refusal.message)"])
            try await spool.restart()
            return .mended
        }
        if refusal.code == .forbidden, refusal.metadata["spool"] != nil {
            // This machine joined again as a new agent; what the old one had to say is nobody's now.
            logger.warning("the spool was another agent's; numbering starts anew", metadata: ["reason": "\(refusal.message)"])
            try await spool.restart()
            return .mendedByAnotherName
        }
        guard [.invalidRequest, .tooLarge].contains(refusal.code) else { return .nothing }
        // One event that is never taken must not hold up all behind it: find it, take it out.
        if batch.last > batch.first { return .oneOfMany }
        let place = try await spool.setAside(batch.first)
        logger.error(
            "the control plane will not take an event; it was set aside",
            metadata: ["number": "\(batch.first)", "file": "\(place.path)", "reason": "\(refusal)"])
        return .mended
    }

    private func accept(_ answer: AgentAPI.ReportResponse, of batch: SpoolBatch) async throws {
        await listener.heard(answer)
        guard answer.acknowledged >= batch.first else {
            // Nothing was taken and nothing refused; without a pause this would spin.
            return try await sleep(.seconds(1))
        }
        if try await !spool.acknowledge(answer.acknowledged) {
            // This spool was set back (a restored disk): its new events would be skipped as old.
            logger.warning("the control plane has later reports than this spool; numbering starts anew")
            try await spool.restart()
        }
    }

    private static func namesGap(_ refusal: APIError) -> Bool {
        refusal.code == .conflict && refusal.metadata["expected"] != nil
    }
}

/// Who acts on the answers to reports.
public protocol ReportListener: Sendable {
    func heard(_ answer: AgentAPI.ReportResponse) async
    /// What the agent can take on beside what its reports say has ended; `nil` while it takes nothing.
    func offer() -> AgentAPI.WorkOffer?
    /// The delay before the next try, or less if there is a reason to hurry.
    func bounded(_ delay: Duration) -> Duration
}
