internal import Crypto
internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// File triggers: hands each to one agent of its pool to look for, and takes in what that agent finds.
struct FileArrivals {
    /// An agent that is not heard from for so long gives its watches to another; more than three polls.
    static let lease = 90.0
    /// Names of a tick's files that are kept, to be shown.
    static let mostNames = 20

    let session: Session

    /// What the agent is to look for, and whether something of it is new to it. Called when its poll arrives.
    /// Triggers that are paused are looked for, too: what arrives meanwhile is recorded as skipped.
    func watches(of agent: AgentIdentity) throws -> (watches: [AgentAPI.Watch], isNews: Bool) {
        var (watches, isNews): ([AgentAPI.Watch], Bool) = ([], false)
        for (trigger, held) in try session.fileWatches.open(to: agent.id, pool: agent.pool) {
            guard let file = trigger.specification.file, let pattern = trigger.pattern else { continue }
            let until = session.now + Self.lease
            let fencing: Int64
            if let held, held.until > session.now {
                fencing = held.fencing
                // Each poll would be a write for nothing.
                if held.until < session.now + Self.lease / 2 { try session.fileWatches.renew(trigger.id, until: until) }
            } else {
                fencing = try session.fileWatches.take(trigger.id, agent: agent.id, until: until)
                isNews = true
            }
            watches.append(
                AgentAPI.Watch(trigger: trigger.id, fencing: fencing, pattern: pattern, everySeconds: file.everySeconds))
        }
        return (watches, isNews)
    }

    /// Notes a tick for the files that the trigger has not been told of. While a tick waits, or the run
    /// that the last tick started has not been begun with, they belong to it.
    ///
    /// - Returns: `false` when the agent does not watch for the trigger any more; nothing is noted then.
    func take(_ arrival: AgentAPI.Arrival, from agent: AgentIdentity, events: inout TriggerEvents) throws -> Bool {
        guard let trigger = try session.triggers.find(arrival.trigger), trigger.isLive, trigger.kind == .file,
            trigger.pool == agent.pool, let watch = try session.fileWatches.find(trigger.id), watch.agent == agent.id,
            watch.fencing == arrival.fencing
        else { return false }
        let fresh = try arrival.files.filter {
            try $0.digest.utf8.count <= 64 && session.fileWatches.arrived($0.digest, for: trigger.id)
        }
        guard !fresh.isEmpty else { return true }
        let set = SHA256.hash(data: Data(fresh.map(\.digest).sorted().joined(separator: " ").utf8))
        let cause: JSONValue = [
            "files": .integer(Int64(fresh.count)), "bytes": .integer(fresh.reduce(0) { $0 &+ max(0, $1.size) }),
            "names": .array(fresh.prefix(Self.mostNames).map { .string(String($0.name.prefix(255))) }),
            "agent": .string(agent.id.description),
        ]
        var tick = NewTick(
            trigger: trigger.id,
            key: "files " + set.prefix(16).map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined(),
            outcome: .waiting)
        tick.count = Int64(fresh.count)
        tick.cause = cause
        try events.noteOrJoin(tick, of: trigger, after: 0)
        return true
    }
}
