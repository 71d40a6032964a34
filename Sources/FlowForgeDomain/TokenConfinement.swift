public import FlowForgeProtocol

/// What a short-lived token may touch, of what its role allows.
public struct TokenConfinement: Hashable, Sendable {
    /// Absent: every environment, and what belongs to none.
    public var environments: Set<String>?
    /// Absent: everything that the role allows.
    public var actions: Set<TokenAction>?

    public init(environments: Set<String>? = nil, actions: Set<TokenAction>? = nil) {
        self.environments = environments
        self.actions = actions
    }

    /// Whether something that does `action` (absent: only looks) is among what it may do.
    public func allows(_ action: TokenAction?) -> Bool {
        guard let actions, let action else { return true }
        return actions.contains(action)
    }

    /// Whether it may touch all of these.
    public func allows(_ touched: some Sequence<String>) -> Bool {
        guard let environments else { return true }
        return touched.allSatisfy(environments.contains)
    }
}
