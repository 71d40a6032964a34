public import FlowForgeProtocol

/// Who did something, as the audit trail names it.
public enum Actor: Hashable, Sendable, CustomStringConvertible {
    /// A person or a program with an API token, by name; `via` is the short-lived token that acts for it.
    case principal(String, via: ID<ShortToken>? = nil)
    case agent(ID<Agent>)
    /// A part of the control plane acting by itself, e.g. `lease-reaper`.
    case system(String)

    /// The short-lived token that acts for a principal.
    public var via: ID<ShortToken>? { if case .principal(_, let via) = self { via } else { nil } }

    /// `principal:<name>`, `agent:<id>` or `system:<part>`.
    public var description: String {
        switch self {
        case .principal(let name, _): "principal:\(name)"
        case .agent(let id): "agent:\(id)"
        case .system(let part): "system:\(part)"
        }
    }
}
