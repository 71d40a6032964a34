public import FlowForgeProtocol
import Foundation

/// Moves the pointers that outside readers follow, and clears away what dead attempts left.
public enum LakePublisher {
    /// Points `<asset>/current.json` and the link `<asset>/current` at the publication's snapshot,
    /// unless they already point at its version or a later one. Idempotent and safe against others.
    public static func publish(_ publication: AgentAPI.Publication, lake: LakeFolder) throws {}

    /// Removes the staging folders of all attempts but those in `alive`. Returns how many it removed.
    @discardableResult
    public static func sweep(lake: LakeFolder, alive: Set<ID<Attempt>>) throws -> Int { 0 }
}
