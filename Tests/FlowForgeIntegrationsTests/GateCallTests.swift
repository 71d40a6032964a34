import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import Foundation
import Hummingbird
import Testing

@testable import FlowForgeIntegrations

@Suite(.timeLimit(.minutes(1))) struct GateCallTests {
    @Test func `the question is signed, has counts and no values, and its answer counts at once`() async throws {
        let system = TicketSystem(.says(true, "CHG0042 approved"))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, promotion) = try await fixture.begin("http://127.0.0.1:\(port)/changes?team=data")
            #expect(try await fixture.verdict(plan).state == .pending)
            try await fixture.advance()
            let asked = try #require(system.questions.first)
            // Checked as the other system does, with the secret that owners are shown.
            let view = try await fixture.callbacks().secret(environment: "prod", gate: GateFixture.gate, by: fixture.ann)
            let again = try fixture.signed(String(decoding: asked.body, as: UTF8.self), id: asked.id, secret: view.secret)
            #expect(
                asked.signature == "v1,\(again.signatures[0].base64EncodedString())" && asked.timestamp == "\(again.timestamp)")
            let question = try asked.question()
            #expect(question.type == "flowforge.gate.asked" && question.data.plan == plan && question.data.promotion == promotion)
            #expect(question.data.environment == "prod" && question.data.bundle.version == "1.0.0")
            #expect(question.data.requestedBy == "principal:ann" && question.data.requesters == ["ann"])
            #expect(question.data.reason == "release day")
            #expect(question.data.callback == "https://control.example/hooks/v1/gates/\(plan)/change-record")
            #expect(!question.data.summary.changes.isEmpty)
            #expect(!String(decoding: asked.body, as: UTF8.self).contains("\(GateFixture.canary)"))
            let environment = try await fixture.features.environments.show("prod")
            #expect(
                String(decoding: try WireCoding.encode(environment), as: UTF8.self).contains("\(GateFixture.canary)"),
                "the canary is where it was planted, so that its absence says something")

            let verdict = try await fixture.verdict(plan)
            #expect(verdict.state == .passed && verdict.message.contains("CHG0042 approved"))
            #expect(verdict.evidence["by"] == "system:gate change-record")
            try await fixture.advance()
            #expect(system.questions.count == 1, "what is answered is not asked again")
            let looked = try await fixture.store.read { try $0.audit.list(action: "gate.secret", limit: 9) }
            #expect(looked.count == 1 && looked[0].actor == "principal:ann")
        }
    }

    @Test func `a no denies the plan`() async throws {
        let system = TicketSystem(.says(false, "freeze until Monday"))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, _) = try await fixture.begin("http://localhost:\(port)/ask")
            try await fixture.advance()
            let view = try await fixture.features.plans.show(plan)
            #expect(view.standing == "denied")
            #expect(try await fixture.verdict(plan).message == "system:gate change-record refused: freeze until Monday")
        }
    }

    @Test func `a system that is down is asked again, later each time, with the same id`() async throws {
        let system = TicketSystem(.later)
        let port = try HeldPort()
        let fixture = try await GateFixture.make()
        let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port.number)/ask")
        var waits: [Double] = []
        for attempt in 1...4 {
            try await fixture.advance()
            let call = try #require(try await fixture.call(plan))
            #expect(call.attempts == attempt && call.state == .open)
            waits.append(call.nextAt.timeIntervalSince(fixture.now))
            try await fixture.advance()
            #expect(try await fixture.call(plan)?.attempts == attempt, "not before its time")
            fixture.pass(waits.last!)
        }
        #expect(waits == [1, 2, 4, 8])
        let verdict = try await fixture.verdict(plan)
        #expect(verdict.state == .pending && verdict.message.hasPrefix("another system could not be asked yet: "))
        system.answer(.init(status: .internalServerError))
        try await system.serving(on: port.number) { _ in
            try await fixture.advance()
            #expect(try await fixture.call(plan)?.lastError == "it answered 500")
            fixture.pass(16)
            // Between the attempts the control plane was restarted.
            try fixture.reopen()
            system.answer(.says(true, "ok"))
            try await fixture.advance()
        }
        #expect(try await fixture.verdict(plan).state == .passed)
        #expect(system.questions.count == 2 && Set(system.questions.map(\.id)).count == 1)
        #expect(Set(system.questions.map(\.timestamp)).count == 2, "signed anew each time")
    }

    @Test func `what was answered but not noted is asked again after a restart`() async throws {
        let system = TicketSystem(.says(true, "ok"))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
            let caller = try fixture.caller { $0.mostAttempts = 100 }
            // The question is noted, then the disk fails.
            try await fixture.store.write { session in
                for call in try GateQuestions(session: session).wanted() { try session.gateCalls.put(call) }
            }
            fixture.failWrites(true)
            try await fixture.advance(caller)
            #expect(system.questions.count == 1)
            fixture.failWrites(false)
            try fixture.reopen()
            #expect(try await fixture.verdict(plan).state == .pending)
            try await fixture.advance()
            #expect(try await fixture.verdict(plan).state == .passed)
            #expect(Set(system.questions.map(\.id)).count == 1 && system.questions.count == 2)
        }
    }

    @Test(
        arguments: [
            (
                TicketSystem.Reply(status: .found, headers: [.location: "http://127.0.0.1:1/"]),
                "it answered 302; redirects are not followed"
            ),
            (.init(status: .badRequest), "it answered 400"),
            (.init(body: String(repeating: " ", count: 70_000)), "its answer has more than 64 KiB"),
        ]) func `an answer that says nothing is tried again`(_ reply: TicketSystem.Reply, _ error: String) async throws
    {
        let system = TicketSystem(reply)
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
            try await fixture.advance()
            let call = try #require(try await fixture.call(plan))
            #expect(call.state == .open && call.lastError == error)
            #expect(try await fixture.verdict(plan).state == .pending)
        }
    }

    @Test func `an answer whose body does not come in time has failed`() async throws {
        var reply = TicketSystem.Reply.says(true, "ok")
        reply.isHeld = true
        let system = TicketSystem(reply)
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
            try await fixture.advance(try fixture.caller { $0.timeout = 0.5 })
            let call = try #require(try await fixture.call(plan))
            #expect(call.state == .open && call.lastError == "it has not answered within 0.5 s")
            #expect(try await fixture.verdict(plan).state == .pending)
        }
    }

    @Test func `a question that was taken is asked again for the next change by the same plan`() async throws {
        let system = TicketSystem(.later)
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, promotion) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
            try await fixture.advance()
            let promotions = try fixture.features.promotions
            _ = try await promotions.cancel(promotion, by: fixture.ann)
            try await fixture.advance()
            #expect(try await fixture.call(plan)?.state == .told)
            #expect(system.questions.count == 1)
            let next = try await promotions.request(.init(kind: "apply", plan: plan), by: fixture.ann).promotion.id
            try await fixture.advance()
            #expect(system.questions.count == 2 && Set(system.questions.map(\.id)).count == 2)
            #expect(try system.questions[1].question().data.promotion == next)
            try await fixture.advance()
            #expect(system.questions.count == 2, "what was taken for this change is not asked again")
        }
    }

    @Test func `a long message is cut by its bytes, and what was decided counts`() async throws {
        // Of 1750 bytes, and of one character.
        let system = TicketSystem(.says(false, String(repeating: "🧑‍", count: 250)))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
            try await fixture.advance()
            #expect(try await fixture.call(plan)?.state == .answered)
            #expect(try await fixture.features.plans.show(plan).standing == "denied")
        }
        let word = try #require(GateWord(Data(#"{"passed":true,"message":"\#(String(repeating: "é", count: 600))"}"#.utf8)))
        #expect(word.message == String(repeating: "é", count: 498) + "…")
    }

    @Test func `it is given up on after so many attempts, at a 410, and with the change; a new change asks anew`() async throws {
        let system = TicketSystem(.init(status: .serviceUnavailable))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, promotion) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
            for _ in 0..<3 {
                try await fixture.advance(try fixture.caller { $0.mostAttempts = 3 })
                fixture.pass(10)
            }
            #expect(try await fixture.call(plan)?.state == .givenUp && system.questions.count == 3)
            #expect(try await fixture.verdict(plan).message == "another system is not asked any more: it answered 503")
            try await fixture.advance()
            #expect(system.questions.count == 3)

            let promotions = try fixture.features.promotions
            _ = try await promotions.cancel(promotion, by: fixture.ann)
            let next = try await promotions.request(.init(kind: "apply", plan: plan), by: fixture.ann).promotion.id
            system.answer(.init(status: .gone))
            try await fixture.advance()
            #expect(system.questions.count == 4 && Set(system.questions.map(\.id)).count == 2)
            #expect(try await fixture.call(plan)?.lastError == "it answered 410: it wants no questions")
            _ = try await promotions.cancel(next, by: fixture.ann)
            let last = try await promotions.request(.init(kind: "apply", plan: plan), by: fixture.ann).promotion.id
            system.answer(.init(status: .serviceUnavailable))
            try await fixture.advance()
            _ = try await promotions.cancel(last, by: fixture.ann)
            fixture.pass(60)
            try await fixture.advance()
            #expect(try await fixture.call(plan)?.lastError == "the change has ended")
            #expect(system.questions.count == 5)
            let entries = try await fixture.store.read { try $0.audit.list(action: "gate.give_up", limit: 9) }
            #expect(entries.count == 3 && entries.allSatisfy { $0.actor == "system:gate-caller" })
        }
    }

    @Test func `an answer that holds no more is asked for again`() async throws {
        let system = TicketSystem(.says(true, "ok"))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port)/ask", validFor: 60)
            try await fixture.advance()
            fixture.pass(30)
            try await fixture.advance()
            #expect(system.questions.count == 1)
            fixture.pass(31)
            #expect(try await fixture.verdict(plan).state == .pending)
            try await fixture.advance()
            #expect(system.questions.count == 2 && Set(system.questions.map(\.id)).count == 2)
            #expect(try await fixture.verdict(plan).state == .passed)
        }
    }

    @Test func `a gate that somebody answered already is not asked about`() async throws {
        let system = TicketSystem(.says(false, "no"))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
            _ = try await fixture.features.plans.answer(
                GateFixture.gate, of: plan, .init(passed: true, message: "by telephone"), by: fixture.ann)
            try await fixture.advance()
            #expect(system.questions.isEmpty)
            #expect(try await fixture.verdict(plan).state == .passed)
        }
    }

    @Test func `what a person answers while the system is down is not asked again`() async throws {
        let fixture = try await GateFixture.make()
        let system = TicketSystem(.says(false, "no"))
        let port = try HeldPort()
        let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port.number)/ask")
        try await fixture.advance()
        #expect(try await fixture.call(plan)?.attempts == 1)
        _ = try await fixture.features.plans.answer(
            GateFixture.gate, of: plan, .init(passed: true, message: "by telephone"), by: fixture.ann)
        fixture.pass(10)
        try await system.serving(on: port.number) { _ in try await fixture.advance() }
        #expect(system.questions.isEmpty)
        #expect(try await fixture.call(plan)?.state == .answered)
        #expect(try await fixture.verdict(plan).message == "ann agreed: by telephone")
    }

    @Test func `the loop asks when it is rung, and stops when it is told to`() async throws {
        let system = TicketSystem(.says(true, "ok"))
        try await system.serving { port in
            let fixture = try await GateFixture.make()
            let bell = Doorbell()
            let (taken, answers) = AsyncStream.makeStream(of: Void.self)
            let caller = GateCaller(
                store: fixture.store, keys: fixture.keys, bell: bell,
                answers: Telling(plans: try fixture.features.plans, taken: answers),
                callbackBase: "https://control.example", logger: GateFixture.quiet)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await caller.run() }
                let (plan, _) = try await fixture.begin("http://127.0.0.1:\(port)/ask")
                bell.ring()
                var iterator = taken.makeAsyncIterator()
                await iterator.next()
                #expect(try await fixture.verdict(plan).state == .passed)
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }
}

/// Says when an answer has been written down.
private struct Telling: GateAnswering {
    let plans: any GateAnswering
    let taken: AsyncStream<Void>.Continuation

    func answer(
        _ gate: String, of plan: String, passed: Bool, message: String, by actor: FlowForgeDomain.Actor, in session: Session
    ) throws {
        try plans.answer(gate, of: plan, passed: passed, message: message, by: actor, in: session)
        session.whenCommitted { taken.yield() }
    }
}
