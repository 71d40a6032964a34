internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

/// The comparisons that agents make for plans.
struct Comparisons {
    let session: Session

    func facts(of plan: String) throws -> [AssetName: GateFacts.Comparison] { [:] }
}
