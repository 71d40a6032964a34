import Crypto
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Logging
import Testing

@testable import FlowForgeOrchestration

/// Deliveries of webhooks: who can start a run, and how often.
@Suite(.timeLimit(.minutes(1))) struct WebhookTests {
    private struct Hook {
        let it: TriggerPlane
        let webhooks: Webhooks
        let id: ID<Trigger>

        init(parameters: [ParameterSpec] = [], taking: [String] = []) async throws {
            it = try await TriggerPlane()
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            webhooks = Webhooks(
                store: it.plane.store, wakeUps: it.plane.wakeUps, keys: WebhookKeys(key: Data(repeating: 7, count: 32)),
                refusals: RefusalTrail(store: it.plane.store, logger: logger))
            try await it.deploy(
                ["a": [TriggerSpec(name: "hook", webhook: WebhookSpec(parameters: taking))]], parameters: parameters)
            id = try await it.trigger("hook").id
        }

        func secret(keepOld: Int? = nil) async throws -> String {
            try await webhooks.makeSecret(id, .init(keepOldSeconds: keepOld), by: .principal("ada")).secret.reveal()
        }

        /// As a sender signs who knows nothing but the specification.
        func delivery(
            _ id: String = "msg_1", secret: String, at seconds: Double = 0, body: String = "{}", signedBody: String? = nil
        ) throws -> WebhookDelivery {
            let time = String(Int64((it.plane.time.now.timeIntervalSince1970 + seconds).rounded()))
            let key = SymmetricKey(data: try #require(Data(base64Encoded: String(secret.dropFirst("whsec_".count)))))
            let code = HMAC<SHA256>.authenticationCode(for: Data("\(id).\(time).\(signedBody ?? body)".utf8), using: key)
            return try WebhookDelivery(
                id: id, timestamp: time, signature: "v1,\(Data(code).base64EncodedString())", body: Data(body.utf8))
        }

        func deliver(_ delivery: WebhookDelivery, to: String? = nil) async throws -> OperatorAPI.WebhookReceipt {
            try await webhooks.deliver(delivery, to: to ?? "\(id)")
        }
    }

    @Test func `a signed delivery starts one run, however often it is sent`() async throws {
        let hook = try await Hook()
        let secret = try await hook.secret()
        let first = try await hook.deliver(try hook.delivery(secret: secret))
        #expect(!first.duplicate && first.outcome == .waiting)
        try await hook.it.clock.fireDue()
        let again = try await hook.deliver(try hook.delivery(secret: secret, at: 10))
        #expect(again.duplicate && again.outcome == .fired)
        try await hook.it.clock.fireDue()
        let run = try #require(try await hook.it.runs().only)
        #expect(again.run == run.id)
        _ = try await hook.deliver(try hook.delivery("msg_2", secret: secret))
        try await hook.it.clock.fireDue()
        #expect(try await hook.it.runs().count == 2)
    }

    @Test func `the example of the specification has the signature that it gives`() throws {
        // https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries (test vector of all of them)
        let key = SymmetricKey(data: try #require(Data(base64Encoded: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")))
        let code = HMAC<SHA256>.authenticationCode(
            for: Data("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}".utf8), using: key)
        #expect(Data(code).base64EncodedString() == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func `what is not signed, or signed otherwise, is refused in one way and audited`() async throws {
        let hook = try await Hook()
        let before = try await refused {
            _ = try await hook.deliver(try hook.delivery(secret: "whsec_" + Data(repeating: 0, count: 32).base64EncodedString()))
        }
        let secret = try await hook.secret()
        let other = try await hook.secret()
        let good = try hook.delivery(secret: other)
        var errors = [try #require(before)]
        for (delivery, to) in [
            (try hook.delivery(secret: secret), nil),
            (try hook.delivery(secret: other, body: "{\"a\":1}", signedBody: "{}"), nil),
            (good, "\(ID<Trigger>.make())"), (good, "trg_nonsense"), (good, ""),
        ] as [(WebhookDelivery, String?)] {
            let error = try await refused { _ = try await hook.deliver(delivery, to: to) }
            errors.append(try #require(error))
        }
        #expect(Set(errors.map { "\($0.code.rawValue) \($0.message) \($0.hint ?? "")" }).count == 1)
        #expect(errors[0].code == .unauthenticated)
        #expect(try await hook.it.plane.audited("trigger.deliver").count == errors.count)
        try await hook.it.clock.fireDue()
        #expect(try await hook.it.runs().isEmpty)
        #expect(try await hook.it.ticks("hook").isEmpty)
        #expect(try await !hook.deliver(good).duplicate, "the good one is taken")
    }

    @Test func `a copy that is sent later is refused`() async throws {
        let hook = try await Hook()
        let secret = try await hook.secret()
        for seconds in [-301.0, 301, -86_400] {
            let error = try await refused {
                _ = try await hook.deliver(try hook.delivery(secret: secret, at: seconds))
            }
            #expect(error?.code == .unauthenticated && error?.message.hasPrefix("webhook-timestamp is") == true)
        }
        for seconds in [-299.0, 299] {
            _ = try await hook.deliver(try hook.delivery("m\(seconds < 0)", secret: secret, at: seconds))
        }
    }

    @Test func `an old secret holds as long as was asked for, and no longer`() async throws {
        let hook = try await Hook()
        let first = try await hook.secret()
        let second = try await hook.secret(keepOld: 3600)
        #expect(first != second)
        _ = try await hook.deliver(try hook.delivery("m1", secret: first))
        _ = try await hook.deliver(try hook.delivery("m2", secret: second))
        hook.it.plane.time.advance(3600)
        await #expect(throws: APIError.self) { _ = try await hook.deliver(try hook.delivery("m3", secret: first)) }
        _ = try await hook.deliver(try hook.delivery("m4", secret: second))
        _ = try await hook.secret()
        await #expect(throws: APIError.self) { _ = try await hook.deliver(try hook.delivery("m5", secret: second)) }
        #expect(try await hook.it.plane.audited("trigger.secret").count == 3)
    }

    @Test func `a delivery sets the parameters that the trigger takes, and no others`() async throws {
        let hook = try await Hook(
            parameters: [
                ParameterSpec(name: "day", type: .date), ParameterSpec(name: "full", type: .boolean, defaultValue: false),
            ],
            taking: ["day"])
        let secret = try await hook.secret()
        _ = try await hook.deliver(
            try hook.delivery("m1", secret: secret, body: #"{"day": "2027-01-15", "full": true, "x": [1]}"#))
        try await hook.it.clock.fireDue()
        #expect(try await hook.it.runs().only?.parameters == ["day": "2027-01-15", "full": false])
        _ = try await hook.deliver(try hook.delivery("m2", secret: secret, body: #"{"day": "soon"}"#))
        try await hook.it.clock.fireDue()
        #expect(try await hook.it.ticks("hook").last?.reason?.hasPrefix("refused: parameters of flow 'a'") == true)
        for body in ["[]", "{", "\"day\"", #"{"day": {"a": 1}}"#, String(repeating: "[", count: 60_000)] {
            let error = try await refused {
                _ = try await hook.deliver(try hook.delivery("m3", secret: secret, body: body))
            }
            #expect(error?.code == .invalidRequest, "\(body.prefix(20))")
        }
    }

    @Test(
        arguments: [
            (nil, "1", "v1,\(good)"), ("", "1", "v1,\(good)"), ("a.b", "1", "v1,\(good)"), ("a b", "1", "v1,\(good)"),
            ("ä", "1", "v1,\(good)"), (String(repeating: "a", count: 201), "1", "v1,\(good)"), ("a", nil, "v1,\(good)"),
            ("a", "-1", "v1,\(good)"), ("a", "1.5", "v1,\(good)"), ("a", "01", "v1,\(good)"),
            ("a", "99999999999999999999", "v1,\(good)"),
            ("a", "1", nil), ("a", "1", ""), ("a", "1", good), ("a", "1", "v2,\(good)"), ("a", "1", "v1,"), ("a", "1", "v1,AAAA"),
            ("a", "1", "v1,!\(good)"), ("a", "1", String(repeating: "v2,x ", count: 10_000)),
        ] as [(String?, String?, String?)]) func `headers that are missing or malformed are refused`(
            id: String?, timestamp: String?, signature: String?
        )
    {
        #expect(throws: APIError.self) {
            try WebhookDelivery(id: id, timestamp: timestamp, signature: signature, body: Data())
        }
    }

    private static let good = Data(repeating: 1, count: 32).base64EncodedString()

    @Test func `one good signature of several is enough, beyond eight none is looked at`() async throws {
        let hook = try await Hook()
        let secret = try await hook.secret()
        let right = try hook.delivery(secret: secret)
        func with(_ count: Int) throws -> WebhookDelivery {
            let wrong = [String](repeating: "v1,\(Self.good)", count: count)
            let all = wrong + ["v1,\(right.signatures[0].base64EncodedString())"]
            return try WebhookDelivery(
                id: right.id, timestamp: String(right.timestamp), signature: all.joined(separator: " "), body: right.body)
        }
        await #expect(throws: APIError.self) { _ = try await hook.deliver(try with(8)) }
        _ = try await hook.deliver(try with(7))
    }

    @Test func `while it is paused deliveries are recorded as skipped`() async throws {
        let hook = try await Hook()
        let secret = try await hook.secret()
        _ = try await hook.it.triggers.pause(hook.id, by: .principal("ada"))
        #expect(try await hook.deliver(try hook.delivery(secret: secret)).outcome == .skipped)
        #expect(try await hook.it.ticks("hook").only?.reason == "paused")
    }

    @Test func `only a webhook has a secret`() async throws {
        let hook = try await Hook()
        try await hook.it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]], version: "3")
        let id = try await hook.it.trigger("m").id
        let error = try await refused {
            _ = try await hook.webhooks.makeSecret(id, .init(), by: .principal("ada"))
        }
        #expect(error?.code == .invalidRequest)
    }
}
