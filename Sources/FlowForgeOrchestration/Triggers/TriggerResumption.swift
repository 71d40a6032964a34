internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

/// Lets a paused trigger go on, in one transaction.
struct TriggerResumption {
    let session: Session
    let wakeUps: WakeUps

    func resume(_ id: ID<Trigger>, by actor: Actor) throws -> TriggerRow {
        var trigger = try session.triggers.required(id)
        guard trigger.pausedAt != nil else { return trigger }
        try ScheduleFiring(session: session, wakeUps: wakeUps).takeBackTheFuture(of: id)
        trigger = try session.triggers.required(id)
        try ScheduleFiring(session: session, wakeUps: wakeUps).skipPaused(&trigger)
        trigger.pausedAt = nil
        trigger.pausedBy = nil
        TriggerSchedule.arm(&trigger, at: session.now)
        try session.triggers.update(trigger)
        try session.audit.append(actor: actor, action: "trigger.resume", subject: id.description, detail: trigger.place)
        session.whenCommitted { [wakeUps] in wakeUps.wakeTriggers() }
        return trigger
    }
}
