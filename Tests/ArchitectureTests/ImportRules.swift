/// Who may import whom (docs/architecture.md). A rule says what a target may import of ours, and
/// which packages of others only it may touch.
enum ImportRules {
    private static let core: Set = ["FlowForgeProtocol", "FlowForgeDomain"]
    private static let stored: Set = core.union(["FlowForgeBundle", "FlowForgeStore"])
    private static let features: Set = [
        "FlowForgeOrchestration", "FlowForgeFleet", "FlowForgeReleases", "FlowForgeCatalog", "FlowForgeGovernance",
        "FlowForgeIntegrations",
    ]

    /// Our targets that each target may import. A target that is not listed fails the test: a new
    /// room needs a decision on what it may see.
    static let ours: [String: Set<String>] = [
        "FlowForgeProtocol": [],
        "FlowForgeDomain": ["FlowForgeProtocol"],
        "FlowForgeBundle": core,
        "FlowForgeStore": core.union(["FlowForgeBundle"]),
        "FlowForgeOrchestration": stored,
        "FlowForgeFleet": stored,
        "FlowForgeReleases": stored,
        "FlowForgeCatalog": stored,
        "FlowForgeGovernance": stored,
        "FlowForgeIntegrations": core.union(["FlowForgeStore"]),
        "FlowForgeServer": stored.union(features),
        "FlowForgeClient": ["FlowForgeProtocol"],
        "FlowForgeAgentCore": core.union(["FlowForgeBundle"]),
        "FlowForgeTestValues": ["FlowForgeProtocol"],
        "FlowForgeTestSupport": stored.union(features).union([
            "FlowForgeServer", "FlowForgeClient", "FlowForgeAgentCore",
        ]),
        "flowforged": stored.union(features).union(["FlowForgeServer"]),
        "flowforge-agent": core.union(["FlowForgeBundle", "FlowForgeAgentCore"]),
        "flowforge": core.union(["FlowForgeBundle", "FlowForgeClient"]),
        "flowforge-launch": [],
    ]

    struct Exclusive {
        let modules: Set<String>
        let allowed: Set<String>
        let reason: String
    }

    /// Modules of others that only some targets may import.
    static let exclusive: [Exclusive] = [
        Exclusive(
            modules: ["GRDB", "SQLite3"], allowed: ["FlowForgeStore"],
            reason: "a second database backend must be addable without touching the features"),
        Exclusive(
            modules: ["Hummingbird", "HummingbirdCore", "HummingbirdTLS"],
            allowed: ["FlowForgeServer", "FlowForgeTestSupport", "flowforged"],
            reason: "features are called by routes and know nothing of HTTP"),
        Exclusive(
            modules: ["AsyncHTTPClient"],
            allowed: ["FlowForgeClient", "FlowForgeAgentCore", "FlowForgeIntegrations", "FlowForgeTestSupport"],
            reason: "only the client, the agent and what is integrated dial out"),
        Exclusive(
            modules: ["Subprocess"], allowed: ["FlowForgeAgentCore", "FlowForgeTestSupport", "flowforge"],
            reason: "the control plane starts no processes"),
        Exclusive(
            modules: ["ArgumentParser"], allowed: ["flowforged", "flowforge-agent", "flowforge"],
            reason: "flags belong to the composition roots"),
        Exclusive(
            modules: ["FoundationNetworking"], allowed: [],
            reason: "it needs libcurl and breaks static linking; AsyncHTTPClient is the HTTP client"),
    ]

    /// Modules that FlowForgeDomain may import besides ours: it decides, it does no I/O.
    static let pure: Set = ["Foundation", "Collections", "OrderedCollections", "HeapModule", "DequeModule", "Synchronization"]
}
