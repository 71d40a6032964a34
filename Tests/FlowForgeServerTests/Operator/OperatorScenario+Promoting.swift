import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import NIOHTTP1
import Testing

@testable import FlowForgeServer

extension OperatorScenario {
    /// An environment below `dev`, a plan, what is said of it, its being applied, a return, drift.
    func promote(_ bundle: PackedBundle) async throws {
        let spec = EnvironmentSpec(
            name: "prod", tier: "prod", upstream: [.init(environment: "dev")], pool: "local",
            config: [.init(name: "environment", values: ["a": ConfigValue(1)])],
            protection: .init(
                requiresPlan: true,
                gates: [
                    GateSpec(name: "two-eyes", rule: .approval(.init(count: 1))),
                    GateSpec(
                        name: "change-record", enforcement: .soft, rule: .external(.init(url: "https://example.org/changes"))),
                ]))
        let wanted: JSONValue = ["spec": try JSONValue(encoding: spec)]
        try await put("applyEnvironment", "/environments/prod", ["spec": wanted["spec"]!, "dryRun": true])
        for _ in 0..<2 { try await put("applyEnvironment", "/environments/prod", wanted) }
        try await put("applyEnvironment", "/environments/other", wanted)
        try await put("overrideVariable", "/environments/prod/overrides/a", ["value": 2, "reason": "incident"])
        try await put("overrideVariable", "/environments/prod/overrides/a", ["value": [:], "reason": "incident"])
        for _ in 0..<2 { try await delete("removeOverride", "/environments/prod/overrides/a") }

        let name = "\(bundle.manifest.name)@\(bundle.manifest.version)"
        try await post("deploy", "/environments/prod/releases", ["bundle": .string(name)])
        for _ in 0..<2 { try await post("makePlan", "/environments/prod/plans", ["bundle": .string(name), "source": "dev"]) }
        let plan = try await post("makePlan", "/environments/prod/plans", ["bundle": .string(name)])
        let digest = try #require(plan["digest"]?.string)
        try await post("makePlan", "/environments/nowhere/plans", ["bundle": .string(name)])
        try await get("getGateSecret", "/environments/prod/gates/two-eyes/secret")
        let shown = try await fixture.get("/environments/prod/gates/change-record/secret", as: fixture.owner).decoded(
            GateAPI.SecretView.self)
        try await get("getGateSecret", "/environments/prod/gates/change-record/secret")
        try await get("getGateSecret", "/environments/prod/gates/change-record/secret", as: fixture.operator_)
        let path = "/hooks/v1/gates/\(digest)/change-record"
        let said = #"{"plan":"\#(digest)","passed":false,"message":"not yet"}"#
        for id in ["g1", "g1", "g.2"] {
            try keep(try await fixture.deliver(id, to: path, secret: shown.secret.reveal(), body: said), of: "answerGateSigned")
        }
        try keep(try await fixture.deliver("g3", to: path, secret: "whsec_AAAA", body: said), of: "answerGateSigned")
        try keep(try await fixture.deliver("g4", to: path, secret: shown.secret.reveal(), body: "{}"), of: "answerGateSigned")
        try await get("listPlans", "/plans?environment=prod&limit=1")
        try await get("getPlan", "/plans/\(digest)")
        try await get("getPlan", "/plans/nonsense")
        try await post("approvePlan", "/plans/\(digest)/approvals", ["approves": false])
        try await post("approvePlan", "/plans/\(digest)/approvals", ["approves": true], as: fixture.operator_)
        try await post("overrideGate", "/plans/\(digest)/gates/two-eyes/override", ["message": "now"])
        try await post("overrideGate", "/plans/\(digest)/gates/change-record/override", ["message": "incident"])
        try await post("answerGate", "/plans/\(digest)/gates/change-record/answer", ["passed": true, "message": "CHG1"])
        try await post("answerGate", "/plans/\(digest)/gates/none/answer", ["passed": true, "message": "CHG1"])

        for _ in 0..<2 {
            try await post("requestPromotion", "/promotions", ["kind": "apply", "plan": .string(digest), "computes": false])
        }
        try await post("requestPromotion", "/promotions", ["kind": "sideways"])
        try await post("requestPromotion", "/promotions", ["kind": "rollback", "environment": "prod"])
        try await get("listPromotions", "/promotions?environment=prod")
        let open = try await post(
            "requestPromotion", "/promotions", ["kind": "apply", "plan": .string(digest), "computes": false])
        if let id = open["id"]?.string {
            try await get("getPromotion", "/promotions/\(id)")
            try await post("cancelPromotion", "/promotions/\(id)/cancel")
        }
        try await get("getPromotion", "/promotions/\(ID<Promotion>.make())")
        try await post("cancelPromotion", "/promotions/nonsense/cancel")

        try await drift()
        try await get("getDrift", "/environments/prod/drift")
        try await post("lookForDrift", "/environments/dev/drift")
        for verb in ["adopt", "revert"] {
            try await post("\(verb)Drift", "/environments/dev/drift/schedule%3Anone/\(verb)")
        }
        try await put(
            "suppressDrift", "/environments/dev/drift/schedule%3Anone/suppression",
            ["until": .string(WireCoding.text(Date() + 60)), "reason": "known"])
        try await delete("unsuppressDrift", "/environments/dev/drift/schedule%3Anone/suppression")
    }

    /// A schedule that was paused, and a pool that was changed.
    private func drift() async throws {
        let triggers = try await fixture.get("/triggers?environment=dev", as: fixture.owner).decoded(JSONValue.self)
        let yearly = try #require(triggers["items"]?.array?.first { $0["name"] == "yearly" }?["id"]?.string)
        try await post("pauseTrigger", "/triggers/\(yearly)/pause")
        try await post("lookForDrift", "/environments/dev/drift")
        let finding = "/environments/dev/drift/schedule%3Amain.yearly"
        try await put(
            "suppressDrift", "\(finding)/suppression", ["until": .string(WireCoding.text(Date() + 60)), "reason": "known"])
        try await get("getDrift", "/environments/dev/drift")
        try await delete("unsuppressDrift", "\(finding)/suppression")
        try await post("revertDrift", "\(finding)/revert")
        for pool in ["other", "local"] {
            let spec = EnvironmentSpec(
                name: "dev", pool: pool, config: [.init(name: "environment", values: ["a": ConfigValue(1)])])
            try await put("applyEnvironment", "/environments/dev", ["spec": try JSONValue(encoding: spec)])
            try await post("lookForDrift", "/environments/dev/drift")
            try await post("adoptDrift", "/environments/dev/drift/configuration%3Apool.pool/adopt")
        }
    }

    private func put(_ operation: String, _ path: String, _ body: JSONValue) async throws {
        try await call(operation, .PUT, "/api/v1\(path)", try WireCoding.encode(body))
    }

    private func delete(_ operation: String, _ path: String) async throws {
        try await call(operation, .DELETE, "/api/v1\(path)")
    }
}
