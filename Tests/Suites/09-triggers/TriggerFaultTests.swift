import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// Triggers of every kind on a control plane that is killed around their ticks: each tick has one run.
@Suite(.timeLimit(.minutes(8))) struct TriggerFaultTests {
    private static let manifest = """
        bundle: {name: ticking, version: 1.0.0}
        flows:
          steady:
            triggers:
              beat: {schedule: {every: 1s, catch_up: {mode: all, window: 1h, max: 1000}}}
            tasks: {work: {layer: bronze, sql: one.sql, output: bronze.beat, load: replace}}
          after:
            triggers:
              ended: {upstream: {flow: steady, on: completion}}
            tasks: {work: {layer: bronze, sql: one.sql, output: bronze.ended, load: replace}}
          hooked:
            triggers: {hook: {webhook: {}}}
            tasks: {work: {layer: bronze, sql: one.sql, output: bronze.hooked, load: replace}}
        """

    @Test func `whenever the control plane is killed, each tick has exactly one run`() async throws {
        try await Fleet.up { fleet in
            let bundle = fleet.folder.appending(path: "ticking")
            try FileManager.default.createDirectory(at: bundle, withIntermediateDirectories: true)
            try Self.manifest.write(to: bundle.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
            try "SELECT 1 AS id".write(to: bundle.appending(path: "one.sql"), atomically: true, encoding: .utf8)
            try await fleet.flowforge("deploy", bundle.path, "--env", "dev")
            let agent = try await fleet.agent("one", settings: "slots: 4")
            _ = try await agent.start()
            let triggers = try await fleet.client.triggers(environment: "dev").items
            let beat = try #require(triggers.first { $0.name == "beat" })
            let ended = try #require(triggers.first { $0.name == "ended" })
            let hook = try #require(triggers.first { $0.name == "hook" })
            let secret = try await fleet.client.makeWebhookSecret(hook.id)

            var sent = 0
            var random = SystemRandomNumberGenerator()
            for round in 1...FaultTally.rounds(4, long: 40) {
                try await FaultTally.fault("control-plane.kill-around-ticks") {
                    // Somewhere in the second before, at or after a tick.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 700...2200, using: &random)))
                    _ = try await deliver("m\(round)", to: secret, of: fleet)
                    try await fleet.controlPlane.kill9()
                    try await fleet.startControlPlane()
                    // The sender never heard of the first, or sends it again although it did.
                    _ = try await until("delivery m\(round) is taken") {
                        let status = try await deliver("m\(round)", to: secret, of: fleet)
                        return (200..<300).contains(status) ? true : nil
                    }
                    sent = round
                }
            }
            try await fleet.flowforge("trigger", "pause", "steady/beat", "--env", "dev")
            let beats = try await settled(beat, fleet)
            let times = beats.compactMap(\.scheduledFor).sorted()
            #expect(Set(times).count == beats.count)
            #expect(beats.allSatisfy { $0.run != nil && $0.reason == nil }, "\(beats.filter { $0.run == nil })")
            // Not one second is missing.
            let (first, last) = (try #require(times.first), try #require(times.last))
            #expect(Int(last.timeIntervalSince(first)) + 1 == times.count)
            let steady = try await runs("steady", fleet)
            #expect(Set(steady.map(\.id)) == Set(beats.compactMap(\.run)) && steady.count == beats.count)
            #expect(Set(steady.map(\.scheduledFor)) == Set(times))

            let ends = try await settled(ended, fleet, count: steady.count)
            #expect(ends.count == steady.count && ends.allSatisfy { $0.outcome == .fired })
            #expect(Set(ends.compactMap { $0.cause?["run"]?.string }) == Set(steady.map(\.id.description)))
            let after = try await runs("after", fleet)
            #expect(Set(after.map(\.id)) == Set(ends.compactMap(\.run)) && after.count == ends.count)

            let deliveries = try await settled(hook, fleet)
            #expect(Set(deliveries.map(\.key)) == Set((1...sent).map { "delivery m\($0)" }) && deliveries.count == sent)
            #expect(try await runs("hooked", fleet).count == sent)
            print("\(beats.count) ticks, \(ends.count) ends and \(sent) deliveries, each with one run")
        }
    }

    /// Posts a delivery as docs/triggers.md shows; returns the status, 0 where nobody answered.
    private func deliver(_ id: String, to secret: OperatorAPI.WebhookSecret, of fleet: Fleet) async throws -> Int {
        let script = """
            id=\(id); time=$(date +%s); body='{}'
            key=$(printf %s "${secret#whsec_}" | base64 -d | xxd -p -c 64)
            signature=$(printf %s "$id.$time.$body" | openssl dgst -sha256 -mac hmac -macopt hexkey:$key -binary | base64)
            curl -s -m 10 -o /dev/null -w '%{http_code}' --cacert "$ca" "$url" -d "$body" \\
              -H "webhook-id: $id" -H "webhook-timestamp: $time" -H "webhook-signature: v1,$signature" || true
            """
        let result = try await execute(
            "bash", ["-c", script],
            environment: [
                "secret": secret.secret.reveal(), "ca": fleet.control.appending(path: "ca.pem").path,
                "url": "https://127.0.0.1:\(fleet.operatorPort)\(secret.path)",
            ])
        return Int(result.output.prefix(3)) ?? 0
    }

    /// The trigger's ticks once none waits and their runs have ended.
    private func settled(
        _ trigger: OperatorAPI.TriggerView, _ fleet: Fleet, count: Int? = nil
    ) async throws -> [OperatorAPI.TickView] {
        try await until(
            "ticks of '\(trigger.name)' are decided and their runs end", within: .seconds(180), every: .milliseconds(300)
        ) {
            var (ticks, next): ([OperatorAPI.TickView], String?) = ([], nil)
            repeat {
                let page = try await fleet.client.ticks(of: trigger.id, after: next, limit: 500)
                ticks += page.items
                next = page.next
            } while next != nil
            if let count, ticks.count < count { return nil }
            guard ticks.allSatisfy({ $0.outcome != .waiting }) else { return nil }
            for run in ticks.compactMap(\.run) {
                let view = try await fleet.client.run(run)
                if !view.state.isFinal { return nil }
            }
            return ticks
        }
    }

    private func runs(_ flow: String, _ fleet: Fleet) async throws -> [OperatorAPI.RunView] {
        var (runs, next): ([OperatorAPI.RunView], String?) = ([], nil)
        repeat {
            let page = try await fleet.client.runs(environment: "dev", after: next, limit: 500)
            runs += page.items
            next = page.next
        } while next != nil
        return runs.filter { $0.flow == flow }
    }
}
