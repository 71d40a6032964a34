public import FlowForgeBundle

/// Something that follows from a release, in the same transaction: what it throws refuses the release.
public protocol ReleaseObserver: Sendable {
    /// Called once for each release, when it is the environment's current one of its bundle.
    func released(_ release: ReleaseRow, _ manifest: Manifest, in session: Session) throws
}
