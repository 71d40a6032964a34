public import Foundation

/// How often in a row an agent did not start what it was given, and when it is tried again.
public struct Deafness: Hashable, Sendable {
    /// Answers with work that may be missed before the agent counts as deaf.
    public static let tolerated = 3
    /// In seconds; doubled with each probe that is missed.
    public static let firstPause = 30.0
    public static let longestPause = 900.0

    public private(set) var missed: Int
    /// When what it missed last was given.
    public private(set) var leasedAt: Date?
    /// Present while it is deaf.
    public private(set) var probeAt: Date?

    public init(missed: Int = 0, leasedAt: Date? = nil, probeAt: Date? = nil) {
        self.missed = missed
        self.leasedAt = leasedAt
        self.probeAt = probeAt
    }

    public mutating func missed(leasedAt: Date, at now: Date) {
        missed += 1
        self.leasedAt = leasedAt
        guard missed >= Self.tolerated else { return }
        let doublings = min(missed - Self.tolerated, 10)
        probeAt = now.addingTimeInterval(min(Self.firstPause * Double(1 << doublings), Self.longestPause))
    }
}
