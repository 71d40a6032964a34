import FlowForgeProtocol
import Foundation
import Testing

@Suite struct WireTests {
    @Test func `fractions of a second cross the wire`() throws {
        let time = Date(timeIntervalSince1970: 1_700_000_000.123)
        let data = try WireCoding.encode([time])
        #expect(String(decoding: data, as: UTF8.self) == #"["2023-11-14T22:13:20.123Z"]"#)
        let back = try #require(try WireCoding.decode([Date].self, from: data).first)
        #expect(abs(back.timeIntervalSince(time)) < 0.001)
        #expect(
            try WireCoding.decode([Date].self, from: Data(#"["2023-11-14T22:13:20Z"]"#.utf8)) == [
                Date(timeIntervalSince1970: 1_700_000_000)
            ])
        #expect(throws: DecodingError.self) { try WireCoding.decode([Date].self, from: Data(#"["yesterday"]"#.utf8)) }
    }

    @Test func `equal values are equal bytes`() throws {
        let one: JSONValue = ["b": 1, "a": [true, nil, 1.5, "x/y"]]
        let other: JSONValue = ["a": [true, nil, 1.5, "x/y"], "b": 1]
        #expect(try WireCoding.encode(one) == WireCoding.encode(other))
        #expect(String(decoding: try WireCoding.encode(one), as: UTF8.self) == #"{"a":[true,null,1.5,"x/y"],"b":1}"#)
    }

    @Test func `a JSON value survives a round trip`() throws {
        let value: JSONValue = ["n": nil, "i": 9_007_199_254_740_993, "d": 0.1, "s": "é\u{0}\"", "a": [[], [:]], "t": true]
        #expect(try WireCoding.decode(JSONValue.self, from: WireCoding.encode(value)) == value)
    }

    @Test func `a value that this build does not know is no failure`() throws {
        let states = try WireCoding.decode([RunState].self, from: Data(#"["queued","hibernating"]"#.utf8))
        #expect(states == [.queued, .unknown])
        let event = try WireCoding.decode(
            AgentAPI.ReportEvent.self,
            from: Data(#"{"number":1,"at":"2026-01-01T00:00:00Z","body":{"type":"telepathy","telepathy":{}},"extra":1}"#.utf8))
        guard case .unknown("telepathy") = event.body else { return #expect(Bool(false), "\(event.body)") }
    }

    @Test func `every report body survives a round trip`() throws {
        let asset = try #require(AssetName("silver.flights"))
        let snapshot = SnapshotReference(id: .make(), version: 3, location: "snapshots/x")
        let bodies: [AgentAPI.ReportBody] = [
            .started(.init(pid: 7)),
            .log(.init(offset: 2, lines: [LogLine(at: Date(timeIntervalSince1970: 1), stream: .stderr, text: "x")])),
            .progress(TaskProgress(step: 1, steps: 4, label: "read", percent: 2.5)),
            .finished(
                .init(outcome: .failed, metrics: TaskMetrics(rowsRead: 3), error: TaskError(code: "sql_error", message: "m"))),
            .published(.init(environment: "dev", asset: asset, snapshot: snapshot)),
            .arrived(.init(trigger: .make(), fencing: 3, files: [.init(name: "a/b.csv", size: 1, digest: "00")])),
            .dropped(.init(events: 9)),
            .lineage(
                .init(
                    eventTime: Date(timeIntervalSince1970: 1), eventType: .start, run: .init(runId: UUID()),
                    job: .init(namespace: "n", name: "j"), inputs: [], outputs: [])),
        ]
        for body in bodies {
            let first = try WireCoding.encode(body)
            let again = try WireCoding.encode(try WireCoding.decode(AgentAPI.ReportBody.self, from: first))
            #expect(first == again)
        }
    }

    @Test func `a secret prints redacted`() throws {
        let secret = Secret("hunter2")
        let request = AgentAPI.JoinRequest(token: secret, pool: "p", csr: "c", name: "n")
        var dumped = ""
        dump(request, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), "\(request)", dumped] { #expect(!text.contains("hunter2")) }
        #expect(secret.reveal() == "hunter2")
    }

    @Test func `an unknown role may nothing`() {
        #expect(!Role.unknown.includes(.unknown))
        #expect(Role.owner.includes(.operator_) && Role.operator_.includes(.viewer) && !Role.viewer.includes(.operator_))
    }

    @Test func `an error body needs only a code and a message`() throws {
        let body = try WireCoding.decode(ErrorBody.self, from: Data(#"{"error":{"code":"new_code","message":"m"}}"#.utf8))
        #expect(body.error == APIError("new_code", "m"))
        #expect(!body.error.isRetryable && APIError(.busy, "m").isRetryable)
    }
}
