import FlowForgeProtocol
public import Foundation
import Synchronization

/// The agent's durable queue of events: `append` returns when the event is on the disk, in the order
/// of the calls, and the events of writers that wait at the same time share one sync.
///
/// Bounded by ``SpoolLimits``, which also says what is dropped. A full disk is an error of the
/// append at hand; the spool stays usable.
public final class EventSpool: Sendable {
    let disk: Mutex<SpoolDisk>
    private let waiting = Mutex(Waiting())
    /// Where files are written and synced: blocking calls stay off the threads of Swift's tasks.
    private let thread: SpoolThread
    private let arrival = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    /// What was found wrong when the spool was opened, one line each.
    public let findings: [String]
    /// This start of the agent, as polls and reports name it.
    let process: ID<AgentProcess>

    private struct Append {
        var draft: EventDraft
        var done: @Sendable (Result<Int64, any Error>) -> Void
    }

    private struct Waiting {
        var appends: [Append] = []
        var isDraining = false
        var isGathering = false
    }

    public convenience init(folder: URL, limits: SpoolLimits = SpoolLimits()) throws {
        try self.init(folder: folder, limits: limits, thread: .own())
    }

    init(folder: URL, limits: SpoolLimits, thread: SpoolThread) throws {
        let disk = try SpoolDisk(root: folder, limits: limits)
        process = disk.process
        findings = disk.takeFindings()
        self.disk = Mutex(disk)
        self.thread = thread
    }

    /// How long events may wait for others before they are sent.
    static let gathering = Duration.milliseconds(250)

    /// One element after events have arrived, at once when a run moves on by one of them; for the one sender.
    var arrivals: AsyncStream<Void> { arrival.stream }

    /// Durable on return.
    ///
    /// - Returns: the event's number.
    /// - Throws: ``SpoolError``; nothing was written then.
    @discardableResult
    public func append(_ draft: EventDraft) async throws -> Int64 {
        try await withCheckedThrowingContinuation { done in submit(draft) { done.resume(with: $0) } }
    }

    /// As ``append(_:)``, without waiting: for callers that must fix the order of several events.
    /// `done` is called on the spool's own thread and must not block. The caller bounds how many it
    /// has under way.
    func submit(_ draft: EventDraft, done: @Sendable @escaping (Result<Int64, any Error>) -> Void) {
        let starts = waiting.withLock { waiting in
            waiting.appends.append(Append(draft: draft, done: done))
            defer { waiting.isDraining = true }
            return !waiting.isDraining
        }
        if starts { thread.run { self.drain() } }
    }

    /// Returns when what was submitted before is on the disk or has failed.
    func settled() async {
        await withCheckedContinuation { done in thread.run { done.resume() } }
    }

    private func drain() {
        while true {
            let batch = waiting.withLock { waiting in
                let batch = Array(waiting.appends.prefix(256))
                waiting.appends.removeFirst(batch.count)
                if batch.isEmpty { waiting.isDraining = false }
                return batch
            }
            if batch.isEmpty { return }
            write(batch)
        }
    }

    private func write(_ batch: [Append]) {
        do {
            let first = try disk.withLock { try $0.append(batch.map(\.draft)) }
            for (index, item) in batch.enumerated() { item.done(.success(first + Int64(index))) }
            if batch.contains(where: \.draft.isUrgent) { arrival.continuation.yield() } else { yieldLater() }
        } catch {
            // One event that cannot be encoded must not fail the others that share its sync.
            if batch.count > 1 { return batch.forEach { write([$0]) } }
            batch[0].done(.failure(error))
        }
    }

    /// What nobody waits for is gathered a moment, so that talkative tasks make few reports.
    private func yieldLater() {
        let isFirst = waiting.withLock { waiting in
            defer { waiting.isGathering = true }
            return !waiting.isGathering
        }
        guard isFirst else { return }
        thread.later(Self.gathering) {
            self.waiting.withLock { $0.isGathering = false }
            self.arrival.continuation.yield()
        }
    }

    /// Up to so many unacknowledged events as a report's body; `nil` when there are none.
    func batch(
        events: Int = 500, bytes: Int = 1 << 20, offer: AgentAPI.WorkOffer? = nil
    ) async throws -> (SpoolBatch, body: Data)? {
        try await onDisk { disk in
            guard let (next, body) = try disk.batch(events: events, bytes: bytes, offer: offer) else { return nil }
            var batch = next
            batch.findings = disk.takeFindings()
            return (batch, body)
        }
    }

    /// The control plane has everything up to `number`.
    ///
    /// - Returns: `false`, with nothing done, for a number that this spool has not given out yet.
    func acknowledge(_ number: Int64) async throws -> Bool {
        try await onDisk { disk in
            guard number < disk.next else { return false }
            try disk.acknowledge(number)
            return true
        }
    }

    /// See ``SpoolDisk/setAside(_:)``.
    func setAside(_ number: Int64) async throws -> URL { try await onDisk { try $0.setAside(number) } }

    /// See ``SpoolDisk/restart()``.
    func restart() async throws { try await onDisk { try $0.restart() } }

    /// Events that the control plane has not acknowledged.
    func unacknowledged() async throws -> Int64 {
        try await onDisk { $0.next - 1 - max($0.acknowledged, $0.segments[0].first - 1) }
    }

    private func onDisk<Result: Sendable>(
        _ body: @Sendable @escaping (inout SpoolDisk) throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { done in
            thread.run {
                done.resume(with: Swift.Result { try self.disk.withLock { try body(&$0) } })
            }
        }
    }
}
