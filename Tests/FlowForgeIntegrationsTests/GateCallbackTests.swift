import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeIntegrations

@Suite(.timeLimit(.minutes(1))) struct GateCallbackTests {
    /// A plan whose system took the question and answers later.
    private static func told(_ body: @escaping @Sendable (GateFixture, _ plan: String) async throws -> Void) async throws {
        let system = TicketSystem(.later)
        let fixture = try await GateFixture.make()
        let plan = try await system.serving { port in
            let plan = try await fixture.begin("http://127.0.0.1:\(port)/ask").plan
            try await fixture.advance()
            try await fixture.advance()
            #expect(system.questions.count == 1, "what was taken is not asked again")
            return plan
        }
        #expect(try await fixture.call(plan)?.state == .told)
        #expect(try await fixture.verdict(plan).state == .pending)
        try await body(fixture, plan)
    }

    private static func yes(_ plan: String, _ message: String = "CHG7") -> String {
        #"{"plan":"\#(plan)","passed":true,"message":"\#(message)"}"#
    }

    @Test func `an answer that is posted later counts, after a restart too`() async throws {
        try await Self.told { fixture, plan in
            try fixture.reopen()
            fixture.pass(3600)
            let receipt = try await fixture.callbacks().deliver(
                try fixture.signed(Self.yes(plan)), plan: plan, gate: GateFixture.gate)
            #expect(!receipt.duplicate)
            #expect(try await fixture.verdict(plan).message == "system:gate change-record agreed: CHG7")
            #expect(try await fixture.call(plan)?.state == .answered)
            let entry = try #require(try await fixture.store.read { try $0.audit.list(action: "gate.answer", limit: 1) }.first)
            #expect(entry.actor == "system:gate change-record" && entry.detail["message"] == "CHG7")
        }
    }

    @Test func `a copy of an answer changes nothing, whatever was said after it`() async throws {
        try await Self.told { fixture, plan in
            let callbacks = try fixture.callbacks()
            let yes = try fixture.signed(Self.yes(plan), id: "a1")
            let no = try fixture.signed(#"{"plan":"\#(plan)","passed":false,"message":"withdrawn"}"#, id: "a2")
            #expect(try await !callbacks.deliver(yes, plan: plan, gate: GateFixture.gate).duplicate)
            #expect(try await !callbacks.deliver(no, plan: plan, gate: GateFixture.gate).duplicate)
            for _ in 0..<2 { #expect(try await callbacks.deliver(yes, plan: plan, gate: GateFixture.gate).duplicate) }
            fixture.pass(299)
            try fixture.reopen()
            #expect(try await fixture.callbacks().deliver(yes, plan: plan, gate: GateFixture.gate).duplicate)
            fixture.pass(2)
            #expect(
                try await refused { try await fixture.callbacks().deliver(yes, plan: plan, gate: GateFixture.gate) }?.code
                    == .unauthenticated)
            #expect(try await fixture.verdict(plan).state == .failed)
        }
    }

    @Test func `a copy is known for as long as it could pass for fresh`() async throws {
        try await Self.told { fixture, plan in
            let callbacks = try fixture.callbacks()
            // By a clock that is ahead.
            let yes = try fixture.signed(Self.yes(plan), id: "a1", at: 299)
            #expect(try await !callbacks.deliver(yes, plan: plan, gate: GateFixture.gate).duplicate)
            fixture.pass(596)
            let no = try fixture.signed(#"{"plan":"\#(plan)","passed":false,"message":"withdrawn"}"#, id: "a2")
            #expect(try await !callbacks.deliver(no, plan: plan, gate: GateFixture.gate).duplicate)
            #expect(try await callbacks.deliver(yes, plan: plan, gate: GateFixture.gate).duplicate)
            #expect(try await fixture.verdict(plan).state == .failed)
        }
    }

    @Test func `what is not signed for this gate, this plan and this time is refused`() async throws {
        try await Self.told { fixture, plan in
            let callbacks = try fixture.callbacks()
            let yes = Self.yes(plan)
            let none = "sha256:" + String(repeating: "0", count: 64)
            let forged: [(WebhookDelivery, String, String)] = [
                (
                    try fixture.signed(yes, secret: Secret("whsec_" + Data(repeating: 1, count: 32).base64EncodedString())), plan,
                    GateFixture.gate
                ),
                (try fixture.signed(yes, secret: fixture.keys.secret(environment: "prod", gate: "eyes")), plan, GateFixture.gate),
                (
                    try fixture.signed(yes, secret: fixture.keys.secret(environment: "qa", gate: GateFixture.gate)), plan,
                    GateFixture.gate
                ),
                // A gate that asks nobody, with its very secret.
                (try fixture.signed(yes, secret: fixture.keys.secret(environment: "prod", gate: "eyes")), plan, "eyes"),
                (try fixture.signed(yes), plan, "other"), (try fixture.signed(yes), none, GateFixture.gate),
                (try fixture.signed(yes), String(plan.prefix(20)), GateFixture.gate), (try fixture.signed(yes), "", ""),
                (try fixture.signed(yes, at: -301), plan, GateFixture.gate),
                (try fixture.signed(yes, at: 302), plan, GateFixture.gate),
            ]
            for (index, (delivery, plan, gate)) in forged.enumerated() {
                let error = try await refused { try await callbacks.deliver(delivery, plan: plan, gate: gate) }
                #expect(error?.code == .unauthenticated, "\(index)")
            }
            // The body was changed on the way.
            let good = try fixture.signed(#"{"plan":"\#(plan)","passed":false,"message":"no"}"#)
            let changed = try WebhookDelivery(
                id: good.id, timestamp: "\(good.timestamp)", signature: "v1,\(good.signatures[0].base64EncodedString())",
                body: Data(yes.utf8))
            #expect(
                try await refused { try await callbacks.deliver(changed, plan: plan, gate: GateFixture.gate) }?.code
                    == .unauthenticated)
            // Signed well, of another plan or of none: the secret is of the gate, and serves for all of its plans.
            for body in [
                Self.yes(none), #"{"passed":true}"#, #"{"plan":"\#(plan)"}"#, "[]", "", #"{"plan":"\#(plan)","passed":"yes"}"#,
            ] {
                let error = try await refused {
                    try await callbacks.deliver(try fixture.signed(body), plan: plan, gate: GateFixture.gate)
                }
                #expect(error?.code == .invalidRequest, "\(body)")
            }
            #expect(try await fixture.verdict(plan).state == .pending)
            let refusals = try await fixture.store.read { try $0.audit.list(action: "gate.callback", limit: 100) }
            #expect(refusals.count == forged.count + 1 && refusals.allSatisfy { $0.outcome == "refused" })
        }
    }

    @Test func `the question itself, sent back, is no answer`() async throws {
        let system = TicketSystem(.later)
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let plan = try await fixture.begin("http://127.0.0.1:\(port)/ask").plan
            try await fixture.advance()
            let asked = try #require(system.questions.first)
            let echo = try WebhookDelivery(id: asked.id, timestamp: asked.timestamp, signature: asked.signature, body: asked.body)
            let error = try await refused { try await fixture.callbacks().deliver(echo, plan: plan, gate: GateFixture.gate) }
            #expect(error?.code == .invalidRequest)
            #expect(try await fixture.verdict(plan).state == .pending)
        }
    }

    @Test func `an answer after the plan has expired is refused`() async throws {
        try await Self.told { fixture, plan in
            fixture.pass(400 * 86_400)
            let error = try await refused {
                try await fixture.callbacks().deliver(try fixture.signed(Self.yes(plan)), plan: plan, gate: GateFixture.gate)
            }
            #expect(error?.code == .conflict)
        }
    }
}
