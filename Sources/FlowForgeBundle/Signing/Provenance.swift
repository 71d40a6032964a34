public import FlowForgeProtocol
public import Foundation

/// SLSA provenance v1 (slsa.dev/spec/v1.0/provenance) of a bundle: from what, by whom and when it was packed.
public struct Provenance: Sendable, Hashable {
    public static let predicateType = "https://slsa.dev/provenance/v1"
    /// `flowforge` packs a folder: docs/supply-chain.md says what the parameters mean.
    public static let buildType = "https://flowforge.dev/bundle-build/v1"
    /// Where nobody says who builds: a person's own machine, which vouches for little.
    public static let localBuilder = "https://flowforge.dev/builder/local"

    public var bundle: BundleReference
    public var source: GitCheckout?
    /// A URI.
    public var builder: String
    /// Identifies this build at the builder, e.g. the URL of a CI job.
    public var invocation: String?
    public var started: Date
    public var finished: Date

    public init(
        bundle: BundleReference, source: GitCheckout?, builder: String = Self.localBuilder, invocation: String? = nil,
        started: Date, finished: Date
    ) {
        self.bundle = bundle
        self.source = source
        self.builder = builder
        self.invocation = invocation
        self.started = started
        self.finished = finished
    }

    public var predicate: JSONValue {
        var parameters: [String: JSONValue] = ["name": .string(bundle.name), "version": .string(bundle.version)]
        var definition: [String: JSONValue] = ["buildType": .string(Self.buildType)]
        if let source {
            parameters["path"] = .string(source.path)
            parameters["repository"] = source.repository.map { .string($0) }
            var dependency: [String: JSONValue] = ["digest": ["gitCommit": .string(source.commit)]]
            dependency["uri"] = source.uri.map { .string($0) }
            dependency["name"] = source.uri == nil ? "source" : nil
            definition["resolvedDependencies"] = .array([.object(dependency)])
        }
        definition["externalParameters"] = .object(parameters)
        var metadata: [String: JSONValue] = [
            "startedOn": .string(Self.text(started)), "finishedOn": .string(Self.text(finished)),
        ]
        metadata["invocationId"] = invocation.map { .string($0) }
        return [
            "buildDefinition": .object(definition),
            "runDetails": [
                "builder": ["id": .string(builder), "version": ["flowforge": .string(FlowForgeVersion.current)]],
                "metadata": .object(metadata),
            ],
        ]
    }

    public var statement: InTotoStatement {
        InTotoStatement(subject: .init(bundle), predicateType: Self.predicateType, predicate: predicate)
    }

    /// in-toto's Timestamp: RFC 3339 in UTC; whole seconds are what all readers take.
    private static func text(_ date: Date) -> String { date.formatted(Date.ISO8601FormatStyle()) }
}
