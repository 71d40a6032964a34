public import FlowForgeProtocol

/// The types that a flow's parameters and a bundle's variables may have.
public enum ParameterType: String, WireEnum {
    case string, integer, number, boolean, date, timestamp
    /// A folder or file on the agent; only variables may be paths.
    case path
    case unknown
}

public struct ParameterSpec: Hashable, Sendable, Codable {
    public var name: String
    public var type: ParameterType
    public var description: String
    /// Already of `type`. Without a default a value must be given.
    public var defaultValue: JSONValue?

    public init(name: String, type: ParameterType, description: String = "", defaultValue: JSONValue? = nil) {
        self.name = name
        self.type = type
        self.description = description
        self.defaultValue = defaultValue
    }
}
