import FlowForgeClient
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// Follows one change to its end and ends the command with what became of it.
struct PromotionWatcher {
    let remote: Remote
    let id: ID<Promotion>

    /// Throws ``Ended`` unless it succeeded.
    func watch() async throws {
        guard let view = try await Interrupts.ending({ try await follow() }) else {
            remote.console.complain(
                "\nStopped watching. The change goes on; `flowforge promotion watch \(id)` shows it again, "
                    + "`flowforge promotion cancel \(id)` ends it.")
            throw Ended(status: .interrupted)
        }
        if remote.console.json { try remote.console.print(json: view) }
        switch PromotionState(rawValue: view.state) {
        case .succeeded: return
        case .cancelled: throw Ended(status: .cancelled)
        default: throw Ended(status: .failed)
        }
    }

    private func follow() async throws -> OperatorAPI.PromotionView {
        var told = 0
        var (state, message) = ("", "")
        var beat = Beat()
        var patience = Patience()
        var end: ContinuousClock.Instant?
        while true {
            let view: OperatorAPI.PromotionView
            do {
                view = try await remote.client.promotion(id)
                patience = Patience()
            } catch {
                guard try await patience.bears(error, remote.console) else { throw error }
                continue
            }
            let journal = view.journal ?? []
            if !remote.console.json {
                if told == 0 { try remote.console.print(PromotionPage.title(view)) }
                for entry in journal.dropFirst(told) {
                    try remote.console.print("  " + PromotionPage.line(entry, remote.console.style, remote.console.zone))
                }
                if !view.isFinal, !view.message.isEmpty, view.message != message {
                    remote.console.note("  \(Printable.line(view.message))")
                }
            }
            let moves = (view.state, view.message, journal.count) != (state, message, told)
            (state, message, told) = (view.state, view.message, journal.count)
            let last = end ?? .now.advanced(by: RunWatcher.publicationPatience)
            if view.isFinal { end = last }
            // Who reads the lake right after this sees what was promoted.
            if view.isFinal, view.unpublished == nil || .now >= last {
                if !remote.console.json { try remote.console.print(PromotionPage.end(view, remote.console.style)) }
                if let waiting = view.unpublished {
                    let names = waiting.map(\.description).joined(separator: ", ")
                    remote.console.note("readers do not see \(names) yet: no agent has moved the pointers")
                }
                return view
            }
            // Its end is near once it is final.
            try await Task.sleep(for: beat.next(moves: moves || view.isFinal))
        }
    }
}
