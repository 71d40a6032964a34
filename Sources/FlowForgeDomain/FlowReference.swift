/// A flow of a bundle in an environment.
public struct FlowReference: Hashable, Sendable {
    public var environment: String
    public var bundle: String
    public var flow: String

    public init(environment: String, bundle: String, flow: String) {
        self.environment = environment
        self.bundle = bundle
        self.flow = flow
    }
}
