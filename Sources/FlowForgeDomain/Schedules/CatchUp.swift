/// What becomes of ticks that nobody was there to fire: the control plane was down, or busy for longer
/// than ``Schedule/onTime``.
public struct CatchUp: Hashable, Sendable {
    public enum Mode: String, Codable, Sendable, Hashable, CaseIterable {
        /// Missed ticks stay missed.
        case none
        /// The newest missed tick runs, unless a tick that is on time runs anyway.
        case last
        /// All of them run, oldest first.
        case all
    }

    public static let windows = 1...366 * 86_400
    public static let caps = 1...1000
    /// Missed ticks stay missed: a run of stale work surprises more than a gap that the record shows.
    public static let none = CatchUp(checked: .none, 86_400, 100)

    public let mode: Mode
    /// Ticks that were due longer ago are not caught up.
    public let windowSeconds: Int
    /// Of `all`, the newest so many are.
    public let cap: Int

    public init(_ mode: Mode, windowSeconds: Int = 86_400, cap: Int = 100) throws(ScheduleFault) {
        guard Self.windows.contains(windowSeconds) else {
            throw ScheduleFault("catch-up window", found: "\(windowSeconds) s", "must be 1 second to 366 days")
        }
        guard Self.caps.contains(cap) else { throw ScheduleFault("catch-up cap", found: "\(cap)", "must be 1 to 1000") }
        self.init(checked: mode, windowSeconds, cap)
    }

    private init(checked mode: Mode, _ windowSeconds: Int, _ cap: Int) {
        self.mode = mode
        self.windowSeconds = windowSeconds
        self.cap = cap
    }
}

extension CatchUp: Codable {
    private enum Key: String, CodingKey { case mode, windowSeconds, cap }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        try self.init(
            container.decode(Mode.self, forKey: .mode),
            windowSeconds: container.decodeIfPresent(Int.self, forKey: .windowSeconds) ?? Self.none.windowSeconds,
            cap: container.decodeIfPresent(Int.self, forKey: .cap) ?? Self.none.cap)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(mode, forKey: .mode)
        try container.encode(windowSeconds, forKey: .windowSeconds)
        try container.encode(cap, forKey: .cap)
    }
}
