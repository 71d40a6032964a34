/// Something that still needs bundles which no release and no run refers to, such as a plan that may yet be applied.
public protocol BundleKeeper: Sendable {
    /// Digests of bundles that garbage collection must leave alone. Called within its transaction.
    func keptBundles(in session: Session) throws -> Set<String>
}
