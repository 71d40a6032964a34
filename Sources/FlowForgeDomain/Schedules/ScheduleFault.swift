/// What is wrong with a part of a schedule: where, what was found there, and what is allowed instead.
public struct ScheduleFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The part, as people name it: `hour`, `day of month`, `zone`, `catch-up cap`.
    public var part: String
    /// What was found, cut and with control characters made visible; empty where something is missing.
    public var found: String
    public var problem: String
    /// What to write instead.
    public var hint: String?

    public init(_ part: String, found: some StringProtocol, _ problem: String, hint: String? = nil) {
        self.part = part
        self.found = Self.shown(found)
        self.problem = problem
        self.hint = hint
    }

    public init(_ part: String, _ problem: String, hint: String? = nil) {
        self.init(part, found: "", problem, hint: hint)
    }

    /// Without the hint.
    public var message: String { found.isEmpty ? "\(part): \(problem)" : "\(part) '\(found)': \(problem)" }

    public var description: String { hint.map { "\(message) (\($0))" } ?? message }

    private static func shown(_ text: some StringProtocol) -> String {
        let scalars = text.unicodeScalars.prefix(41)
        let shown = scalars.prefix(40).map { $0.value < 0x20 || $0.value == 0x7F ? "␣" : String($0) }.joined()
        return scalars.count > 40 ? shown + "…" : shown
    }
}
