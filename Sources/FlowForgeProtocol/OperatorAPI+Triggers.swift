public import Foundation

/// What starts runs by itself.
public enum TriggerKind: String, WireEnum {
    case schedule, upstream, asset, file, webhook
    case unknown
}

/// What became of a tick, the occasion on which a trigger may start a run.
public enum TickOutcome: String, WireEnum {
    /// Noted, and fired when its delay is over.
    case waiting
    /// It started a run at its time.
    case fired
    /// It started a run late: the control plane or the trigger could not act at its time.
    case caughtUp = "caught-up"
    /// It started no run, for a reason that it carries.
    case skipped
    case unknown
}

extension OperatorAPI {
    public struct TriggerView: Codable, Sendable {
        public var id: ID<Trigger>
        public var environment: String
        public var bundle: String
        public var flow: String
        public var name: String
        public var kind: TriggerKind
        /// In words, e.g. `cron 0 6 * * MON-FRI (Europe/London)`.
        public var summary: String
        /// As the bundle declares it.
        public var specification: JSONValue
        /// Whether the current release declares it; what is not live keeps its history and starts nothing.
        public var live: Bool
        public var pausedAt: Date?
        public var pausedBy: String?
        /// Schedules: the next tick, absent where there is none or the trigger does not run.
        public var nextAt: Date?
        /// Schedules: every tick up to here is recorded.
        public var position: Date?
        /// The newest tick.
        public var lastTick: TickView?
        /// Webhooks: the path that deliveries are posted to.
        public var path: String?

        public init(
            id: ID<Trigger>, environment: String, bundle: String, flow: String, name: String, kind: TriggerKind,
            summary: String, specification: JSONValue, live: Bool, pausedAt: Date?, pausedBy: String?, nextAt: Date?,
            position: Date?, lastTick: TickView?, path: String? = nil
        ) {
            self.id = id
            self.environment = environment
            self.bundle = bundle
            self.flow = flow
            self.name = name
            self.kind = kind
            self.summary = summary
            self.specification = specification
            self.live = live
            self.pausedAt = pausedAt
            self.pausedBy = pausedBy
            self.nextAt = nextAt
            self.position = position
            self.lastTick = lastTick
            self.path = path
        }
    }

    /// One tick, or a range of skipped ones.
    public struct TickView: Codable, Sendable {
        /// Grows with each tick of the control plane; the order of the list.
        public var number: Int64
        /// What the tick was: a time of a schedule, a run, a snapshot, a delivery, a set of files. A
        /// trigger has each once.
        public var key: String
        public var outcome: TickOutcome
        /// Why it was skipped.
        public var reason: String?
        /// The run that it started or joined.
        public var run: ID<Run>?
        /// Schedules: the tick's time, without jitter.
        public var scheduledFor: Date?
        /// The time of the last tick of a range.
        public var until: Date?
        /// How many ticks this is: more than 1 for a range, and for updates that were taken together.
        public var count: Int64
        /// When a waiting tick will be fired.
        public var dueAt: Date?
        public var recordedAt: Date
        /// What brought it about, e.g. `{"run": "run_…", "state": "succeeded"}`.
        public var cause: JSONValue?

        public init(
            number: Int64, key: String, outcome: TickOutcome, reason: String?, run: ID<Run>?, scheduledFor: Date?,
            until: Date?, count: Int64, dueAt: Date?, recordedAt: Date, cause: JSONValue?
        ) {
            self.number = number
            self.key = key
            self.outcome = outcome
            self.reason = reason
            self.run = run
            self.scheduledFor = scheduledFor
            self.until = until
            self.count = count
            self.dueAt = dueAt
            self.recordedAt = recordedAt
            self.cause = cause
        }
    }

    /// `GET /triggers/{id}/preview`: the next ticks of a schedule.
    public struct TriggerPreview: Codable, Sendable {
        public var ticks: [PreviewedTick]
        public init(ticks: [PreviewedTick]) { self.ticks = ticks }
    }

    public struct PreviewedTick: Codable, Sendable {
        public var scheduledFor: Date
        /// In the schedule's time zone, RFC 3339 with its offset.
        public var local: String
        /// When it fires: later than `scheduledFor` by the jitter.
        public var firesAt: Date
        /// Why it will be skipped.
        public var skipped: String?
        public init(scheduledFor: Date, local: String, firesAt: Date, skipped: String? = nil) {
            self.scheduledFor = scheduledFor
            self.local = local
            self.firesAt = firesAt
            self.skipped = skipped
        }
    }

    /// `POST /triggers/{id}/fire`: starts a run now, as the trigger would. With the same `key` the first
    /// tick is returned again.
    public struct FireTrigger: Codable, Sendable {
        /// 1 to 200 bytes.
        public var key: String?
        public init(key: String? = nil) { self.key = key }
    }

    /// `POST /triggers/{id}/secret`: a new secret of a webhook.
    public struct MakeWebhookSecret: Codable, Sendable {
        /// How long the secret before it still holds; 0 unless given.
        public var keepOldSeconds: Int?
        public init(keepOldSeconds: Int? = nil) { self.keepOldSeconds = keepOldSeconds }
    }

    public struct WebhookSecret: Codable, Sendable {
        public var trigger: ID<Trigger>
        /// Shown this once: `whsec_` and base64.
        public var secret: Secret
        /// Where deliveries are posted to, on the operator listener.
        public var path: String
        /// The secret before it holds until then.
        public var oldUntil: Date?
        public init(trigger: ID<Trigger>, secret: Secret, path: String, oldUntil: Date?) {
            self.trigger = trigger
            self.secret = secret
            self.path = path
            self.oldUntil = oldUntil
        }
    }

    /// The answer to a delivery.
    public struct WebhookReceipt: Codable, Sendable {
        /// Whether a delivery with this id was taken in before; this one changed nothing.
        public var duplicate: Bool
        /// Of its tick: `waiting` until a moment later, or `skipped` while the trigger is paused.
        public var outcome: TickOutcome
        public var run: ID<Run>?
        public init(duplicate: Bool, outcome: TickOutcome, run: ID<Run>? = nil) {
            self.duplicate = duplicate
            self.outcome = outcome
            self.run = run
        }
    }
}
