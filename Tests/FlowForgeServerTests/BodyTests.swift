import FlowForgeProtocol
import FlowForgeServer
import FlowForgeTestSupport
import Foundation
import Testing

/// What a client may send, and how slowly.
@Suite struct BodyTests {
    @Test func `a body of 100 MB is refused without being read to its end`() async throws {
        try await TestControlPlane.run { plane in
            let text = try await OpenSSL.connect(
                plane.agentPort, ["-ign_eof"],
                input:
                    "POST /agent/v1/join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n\(String(repeating: "x", count: 100))"
            )
            #expect(text.contains("413 "))
            #expect(text.contains("too_large"))
        }
    }

    @Test func `a client that is still sending gets the refusal, not a broken connection`() async throws {
        try await TestControlPlane.run { plane in
            // More than is read to its end after a refusal. One after the other: the connection stays open for a second after
            // the refusal, within which the client must have looked.
            let body = Data(count: 12 << 20)
            for _ in 0..<4 {
                let answer = try await HTTPExchange(plane).send("POST", "/agent/v1/join", body: body)
                #expect(answer.code == .tooLarge)
            }
        }
    }

    @Test func `a body without a length is refused once it has passed the limit`() async throws {
        try await TestControlPlane.run { plane in
            let chunk = "100000\r\n" + String(repeating: "x", count: 0x100000) + "\r\n"
            let text = try await OpenSSL.connect(
                plane.agentPort, ["-ign_eof"],
                input: "POST /agent/v1/join HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + String(repeating: chunk, count: 6))
            #expect(text.contains("413 "))
            #expect(text.contains("too_large"))
        }
    }

    @Test func `a truncated body gets 400`() async throws {
        try await TestControlPlane.run { plane in
            let text = try await OpenSSL.connect(
                plane.agentPort, [],
                input: "POST /agent/v1/join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"protocolVersion\":")
            #expect(!text.contains("200 OK"))
            let answer = try await HTTPExchange(plane).send("POST", "/agent/v1/join", body: Data("{\"protocolVersion\":".utf8))
            #expect(answer.status == 400)
            #expect(answer.code == .invalidRequest)
        }
    }

    @Test func `a client that sends its body too slowly is let go`() async throws {
        try await TestControlPlane.run(configure: { $0.limits.body = .milliseconds(200) }) { plane in
            let text = try await OpenSSL.connect(
                plane.agentPort, ["-ign_eof"],
                input: "POST /agent/v1/join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
            #expect(text.contains("408 "))
            #expect(text.contains("request_timeout"))
        }
    }

    @Test func `a client that sends nothing is let go`() async throws {
        try await TestControlPlane.run(configure: { $0.limits.idle = .seconds(2) }) { plane in
            // Long enough for the handshake, which counts. Ends only because the server closes the connection.
            let text = try await OpenSSL.connect(plane.agentPort, ["-ign_eof"], input: "POST /agent/v1/join HTTP/1.1\r\nHost:")
            #expect(text.contains("closed") || text.contains("DONE") || text.contains("read R BLOCK"))
        }
    }

    @Test func `unknown fields and unknown values of enumerations are tolerated`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            let poll = Data(
                #"{"protocolVersion":1,"agentVersion":"9.9","freeSlots":0,"slots":1,"engines":[{"name":"warp","version":"7","mood":"good"}],"labels":{},"leases":[],"waitSeconds":0,"shoeSize":{"a":[1]}}"#
                    .utf8)
            let answer = try await agent.post("/agent/v1/poll", try WireCoding.decode(JSONValue.self, from: poll))
            #expect(answer.status == 200)
            let report = Data(
                #"{"spool":"\#(ID<Spool>.make())","events":[{"number":1,"at":"2026-01-01T00:00:00Z","body":{"type":"telepathy","telepathy":{}}}]}"#
                    .utf8)
            let reported = try await agent.post("/agent/v1/report", try WireCoding.decode(JSONValue.self, from: report))
            #expect(reported.status == 200)
            #expect(try reported.decoded(AgentAPI.ReportResponse.self).acknowledged == 1)
        }
    }

    @Test func `a repeated report changes nothing`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            let report = AgentAPI.ReportRequest(
                spool: .make(), events: (1...3).map { .init(number: $0, at: Date(), body: .dropped(.init(events: 0))) })
            for _ in 0..<3 {
                let answer = try await agent.post("/agent/v1/report", report)
                #expect(try answer.decoded(AgentAPI.ReportResponse.self).acknowledged == 3)
            }
        }
    }

    @Test func `a poll of a protocol version that is not served is refused with the side to upgrade`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            var poll = TestAgent.pollRequest()
            poll.protocolVersion = ProtocolVersion.current + 1
            let answer = try await agent.post("/agent/v1/poll", poll)
            #expect(answer.status == 400)
            #expect(answer.code == .protocolVersion)
            #expect(String(decoding: answer.body, as: UTF8.self).contains("upgrade the control plane"))
        }
    }
}
