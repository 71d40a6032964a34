public final class WakeUps: Sendable {
    public init() {}
    public func drain() { fatalError() }
}
