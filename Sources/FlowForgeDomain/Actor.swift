public import FlowForgeProtocol

/// Who did something, as the audit trail names it.
public enum Actor: Hashable, Sendable, CustomStringConvertible {
    /// A person or a program with an API token, by name.
    case principal(String)
    case agent(ID<Agent>)
    /// A part of the control plane acting by itself, e.g. `lease-reaper`.
    case system(String)

    /// `principal:<name>`, `agent:<id>` or `system:<part>`.
    public var description: String {
        switch self {
        case .principal(let name): "principal:\(name)"
        case .agent(let id): "agent:\(id)"
        case .system(let part): "system:\(part)"
        }
    }
}
