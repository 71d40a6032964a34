import FlowForgeProtocol
import Foundation
import Synchronization

/// Puts one attempt's reports into the spool, in the order of the calls.
///
/// Log lines are gathered into chunks of at most 200 lines or 64 KiB; a chunk is written when it is
/// full, before any other event, and at the latest 200 ms after its first line while
/// ``flushing()`` runs.
///
/// Only ``conclude(_:)`` and a log call that fills a chunk return after what they said is on the disk:
/// nothing may follow from an attempt's end before it is, and a task that talks without end must not
/// outrun the disk. The others wait for nothing; what could not be spooled fails the next call, and is
/// found by ``settle()`` before the attempt is said to have succeeded.
final class SpoolReporter: TaskReporting {
    static let chunkLines = 200
    static let chunkBytes = 64 << 10
    static let lineBytes = 16 << 10
    static let chunkDelay = Duration.milliseconds(200)

    private let spool: EventSpool
    private let held: AgentAPI.HeldLease
    private let now: @Sendable () -> Date
    private let state = Mutex(State())
    private let firstLine = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    private struct State {
        var lines: [LogLine] = []
        var bytes = 0
        /// Number of the first of `lines`.
        var offset: Int64 = 0
        var isMute = false
        var fault: (any Error)?
    }

    init(spool: EventSpool, held: AgentAPI.HeldLease, now: @escaping @Sendable () -> Date = Date.init) {
        self.spool = spool
        self.held = held
        self.now = now
    }

    /// The first event that could not be spooled; the attempt cannot succeed then.
    var fault: (any Error)? { state.withLock { $0.fault } }

    /// The attempt is no longer this agent's: nothing more is said about it.
    func mute() { state.withLock { $0.isMute = true } }

    func started(pid: Int32) async throws { try tell(.started(.init(pid: pid))) }
    func progress(_ progress: TaskProgress) async throws { try tell(.progress(progress)) }
    func lineage(_ event: OpenLineage.RunEvent) async throws { try tell(.lineage(event)) }

    /// The attempt's end, with the number of log lines filled in. The last call; may be repeated when
    /// it throws, and is tried although earlier events could not be spooled.
    ///
    /// - Returns: the number of the event; `nil` when muted.
    func conclude(_ finished: AgentAPI.Finished) async throws -> Int64? {
        var finished = finished
        state.withLock { state in
            finished.logLines = state.offset + Int64(state.lines.count)
            state.fault = nil
        }
        return try await send(.finished(finished))
    }

    func log(_ stream: LogStream, _ text: String) async throws {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let line = LogLine(at: now(), stream: stream, text: Self.cut(String(line)))
            let (isFull, isFirst) = try state.withLock { state in
                if let fault = state.fault { throw fault }
                state.lines.append(line)
                // The frame around a line in JSON is some 70 bytes.
                state.bytes += line.text.utf8.count + 70
                return (state.lines.count >= Self.chunkLines || state.bytes >= Self.chunkBytes, state.lines.count == 1)
            }
            if isFull { try await flush() } else if isFirst { firstLine.continuation.yield() }
        }
    }

    /// Waits until all that was said is on the disk, or ``fault`` tells that it is not.
    func settle() async {
        enqueue(nil) { _ in }
        await spool.settled()
    }

    /// Writes waiting lines 200 ms after the first, until cancelled.
    func flushing(clock: some Clock<Duration> = ContinuousClock()) async {
        for await _ in firstLine.stream {
            do {
                try await clock.sleep(for: Self.chunkDelay)
                try await flush()
            } catch {
                // A fault of the spool is kept and ends the attempt at its next report.
                continue
            }
        }
    }

    private func flush() async throws { _ = try await send(nil) }

    /// Hands the waiting lines, then `body`, to the spool.
    private func tell(_ body: AgentAPI.ReportBody) throws {
        enqueue(body) { _ in }
        if let fault { throw fault }
    }

    /// As ``tell(_:)``, and returns when all is durable.
    private func send(_ body: AgentAPI.ReportBody?) async throws -> Int64? {
        let number = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int64?, any Error>) in
            enqueue(body) { done.resume(with: $0) }
        }
        if let fault { throw fault }
        return number
    }

    /// All are submitted under the lock, so two callers cannot get between each other's events.
    private func enqueue(_ body: AgentAPI.ReportBody?, done: @Sendable @escaping (Result<Int64?, any Error>) -> Void) {
        state.withLock { state in
            let lines = takeLines(&state)
            let bodies = state.isMute ? [] : [lines, body].compactMap(\.self)
            guard let last = bodies.last else { return done(.success(nil)) }
            for body in bodies.dropLast() { submit(body) { _ in } }
            submit(last, done: done)
        }
    }

    private func submit(_ body: AgentAPI.ReportBody, done: @Sendable @escaping (Result<Int64?, any Error>) -> Void) {
        spool.submit(EventDraft(at: now(), held: held, body: body)) { result in
            if case .failure(let error) = result { self.state.withLock { $0.fault = $0.fault ?? error } }
            done(result.map { $0 })
        }
    }

    private func takeLines(_ state: inout State) -> AgentAPI.ReportBody? {
        guard !state.lines.isEmpty else { return nil }
        defer {
            state.offset += Int64(state.lines.count)
            state.lines = []
            state.bytes = 0
        }
        return .log(.init(offset: state.offset, lines: state.lines))
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > lineBytes else { return text }
        let note = " … [cut, the line has \(text.utf8.count) bytes]"
        return String(decoding: text.utf8.prefix(lineBytes - note.utf8.count - 3), as: UTF8.self) + note
    }
}
