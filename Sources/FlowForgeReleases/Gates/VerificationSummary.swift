internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// What gates said of a change, as a SLSA verification summary: the policy is the plan, the resource the environment.
/// The verdicts with their evidence stand in `flowforge`, a member of our own, as the specification allows.
enum VerificationSummary {
    static let predicateType = "https://slsa.dev/verification_summary/v1"

    static func predicate(of row: PromotionRow, _ plan: PlanRow, _ verdicts: [GateVerdict], at now: Date) throws -> JSONValue {
        let digest = plan.digest.dropFirst("sha256:".count)
        return [
            "verifier": ["id": "https://flowforge.dev/control-plane"],
            "timeVerified": .string(WireCoding.text(now)),
            "resourceUri": .string("flowforge:environment/\(row.environment)/bundle/\(row.bundle)"),
            "policy": ["uri": .string("flowforge:plan/\(plan.digest)"), "digest": ["sha256": .string(String(digest))]],
            "verificationResult": .string(verdicts.standing == .open ? "PASSED" : "FAILED"),
            "verifiedLevels": [],
            "slsaVersion": "1.0",
            "flowforge": [
                "promotion": .string(row.id.description), "kind": .string(row.kind.rawValue),
                "requestedBy": .string(row.requestedBy), "gates": .array(try verdicts.map { try JSONValue(encoding: $0) }),
            ],
        ]
    }
}
