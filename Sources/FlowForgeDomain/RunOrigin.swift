public import FlowForgeProtocol
public import Foundation

/// Why a run is to be made, and what it brings with it.
public struct RunOrigin: Hashable, Sendable {
    public var cause: RunCause
    /// The trigger that fired, by its name within the flow.
    public var trigger: String?
    /// The moment that the schedule meant; a late or caught-up run is made later.
    public var scheduledFor: Date?
    public var rerunOf: ID<Run>?
    /// Instead of the flow's own.
    public var priority: Int?
    /// Which it belongs to: as its run, as one that followed from one, or as one of these again.
    public var backfill: ID<Backfill>?

    public init(
        _ cause: RunCause, trigger: String? = nil, scheduledFor: Date? = nil, rerunOf: ID<Run>? = nil,
        priority: Int? = nil, backfill: ID<Backfill>? = nil
    ) {
        self.cause = cause
        self.trigger = trigger
        self.scheduledFor = scheduledFor
        self.rerunOf = rerunOf
        self.priority = priority
        self.backfill = backfill
    }

    /// Limits that each of its tasks takes from, beside those of the task: units by key.
    public var limits: [LimitKey: Int] { backfill.map { [.backfill($0.description): 1] } ?? [:] }
}

/// What concurrency is limited by: `pool:<name>` (attempts of a pool), `resource:<name>` (what tasks
/// say that they use) or `backfill:<id>`.
public struct LimitKey: Hashable, Sendable, Comparable, LosslessStringConvertible, Codable, CodingKeyRepresentable {
    public let description: String

    public static func pool(_ name: String) -> LimitKey { LimitKey(unchecked: "pool:\(name)") }
    public static func resource(_ name: String) -> LimitKey { LimitKey(unchecked: "resource:\(name)") }
    public static func backfill(_ id: String) -> LimitKey { LimitKey(unchecked: "backfill:\(id)") }

    /// Of which it is the limit.
    public var pool: String? { description.hasPrefix("pool:") ? String(description.dropFirst("pool:".count)) : nil }

    private init(unchecked: String) { description = unchecked }

    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, ["pool", "resource", "backfill"].contains(parts[0]), !parts[1].isEmpty,
            parts[1].utf8.count <= 200,
            parts[1].utf8.allSatisfy({ $0 >= 0x21 && $0 < 0x7f })
        else { return nil }
        description = text
    }

    public static func < (left: LimitKey, right: LimitKey) -> Bool { left.description < right.description }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let key = LimitKey(text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no limit: \(text)"))
        }
        self = key
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
    public var codingKey: any CodingKey { Key(stringValue: description) }
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }
}
