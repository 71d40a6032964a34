public import FlowForgeStore

/// Keeps the bundles of plans that may yet be applied, and of changes that have not ended.
public struct PlanKeeper: BundleKeeper {
    public init() {}

    public func keptBundles(in session: Session) throws -> Set<String> { try session.plans.neededBundles() }
}
