import AsyncHTTPClient
import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import NIOCore
import NIOHTTP1
import Subprocess
import Testing

@testable import FlowForgeServer

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Requests that are odd, wrong, large or slow.
@Suite(.timeLimit(.minutes(2))) struct OperatorRequestTests {
    @Test func `a parameter that is wrong is named`() async throws {
        try await OperatorFixture.serving { fixture in
            for (path, field) in [
                ("/environments?limit=501", "limit"), ("/environments?limit=x", "limit"), ("/environments?limt=1", "limt"),
                ("/environments?limit=1&limit=2", "limit"), ("/runs?state=unknown", "state"), ("/runs/x", "run"),
                ("/runs/\(ID<Agent>.make())", "run"), ("/assets?layer=gold", "environment"),
                ("/assets?environment=dev&layer=lead", "layer"), ("/lineage?environment=dev", "asset"),
                ("/lineage?environment=dev&asset=x", "asset"), ("/lineage?environment=dev&asset=gold.x&depth=0", "depth"),
                ("/runs/\(ID<Run>.make())?since=-1", "since"), ("/runs/\(ID<Run>.make())?wait=nan", "wait"),
                ("/whoami?x=1", "x"),
            ] {
                let answer = try await fixture.get(path)
                #expect(answer.status == 400, "\(path)")
                #expect(answer.error?.message.hasPrefix("\(field): ") == true, "\(path): \(answer.error?.message ?? "")")
                #expect(answer.error?.hint != nil, "\(path)")
            }
            let typo = try await fixture.get("/environments?limt=1")
            #expect(typo.error?.hint == "did you mean 'limit'?")
        }
    }

    @Test func `a body that is wrong is answered with the member that is`() async throws {
        try await OperatorFixture.serving { fixture in
            for (body, message) in [
                ("", "the body is not JSON"), ("{", "the body is not JSON"), ("[]", "the body: not"), ("null", "the body"),
                (#"{"name": "dev"}"#, "pool: missing"), (#"{"name": 1, "pool": "p", "variables": {}}"#, "name: not text"),
                (#"{"name": "dev", "pool": "p", "variables": {"a": {}}}"#, "variables.a: "),
                (#"{"name": "../x", "pool": "p", "variables": {}}"#, "name: '../x' is no environment name"),
            ] {
                let answer = try await fixture.send(
                    .POST, "/api/v1/environments", as: fixture.owner, body: .bytes(ByteBuffer(string: body)))
                #expect(answer.status == 400, "\(body)")
                #expect(answer.error?.message.hasPrefix(message) == true, "\(body): \(answer.error?.message ?? "")")
            }
        }
    }

    @Test func `members that are not known are ignored`() async throws {
        try await OperatorFixture.serving { fixture in
            let body = #"{"name": "dev", "pool": "p", "variables": {}, "colour": "of a newer client"}"#
            let answer = try await fixture.send(
                .POST, "/api/v1/environments", as: fixture.owner, body: .bytes(ByteBuffer(string: body)))
            #expect(answer.status == 201)
        }
    }

    @Test func `a body above one MiB is refused`() async throws {
        try await OperatorFixture.serving { fixture in
            let large = ByteBuffer(repeating: UInt8(ascii: " "), count: (1 << 20) + 1)
            let answer = try await fixture.send(.POST, "/api/v1/runs", as: fixture.operator_, body: .bytes(large))
            #expect(answer.status == 413)
            #expect(answer.error?.code == .tooLarge)
            // Without a length it is only found out on the way.
            let pieces = AsyncStream<ByteBuffer> { continuation in
                for _ in 0..<100 { continuation.yield(ByteBuffer(repeating: UInt8(ascii: " "), count: 64 << 10)) }
                continuation.finish()
            }
            let streamed = try? await fixture.send(
                .POST, "/api/v1/runs", as: fixture.operator_, body: .stream(pieces, length: .unknown))
            // The answer may be lost with the connection, since the rest of the body is not read.
            #expect(streamed == nil || streamed?.status == 413)
            #expect(try await fixture.get("/whoami").status == 200)
        }
    }

    @Test func `a blob announced above the limit is refused unread`() async throws {
        try await OperatorFixture.serving { fixture in
            let digest = ContentDigest.of(Data())
            let nothing = AsyncStream<ByteBuffer> { _ in }
            let answer = try await fixture.send(
                .PUT, "/api/v1/blobs/\(digest)", as: fixture.operator_, body: .stream(nothing, length: .known(Int64(1) << 40)))
            #expect(answer.status == 413)
        }
    }

    @Test func `an upload whose client goes away leaves nothing behind`() async throws {
        struct Away: Error {}
        try await OperatorFixture.serving { fixture in
            let bytes = Data(repeating: 1, count: 100_000)
            let digest = ContentDigest.of(bytes)
            let cut = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
                continuation.yield(ByteBuffer(bytes: bytes.prefix(50_000)))
                continuation.finish(throwing: Away())
            }
            await #expect(throws: (any Error).self) {
                try await fixture.send(
                    .PUT, "/api/v1/blobs/\(digest)", as: fixture.operator_, body: .stream(cut, length: .known(Int64(100_000))))
            }
            let uploads = fixture.uploads.path
            try await eventually("the upload is gone") { try FileManager.default.contentsOfDirectory(atPath: uploads).isEmpty }
            let stored = try await fixture.send(.HEAD, "/api/v1/blobs/\(digest)", as: fixture.operator_)
            #expect(stored.status == 404 && stored.body.isEmpty)
            let again = try await fixture.send(
                .PUT, "/api/v1/blobs/\(digest)", as: fixture.operator_, body: .bytes(ByteBuffer(bytes: bytes)))
            #expect(again.status == 201)
        }
    }

    @Test func `a blob is on disk while the rest of it is still on its way`() async throws {
        try await OperatorFixture.serving { fixture in
            let piece = ByteBuffer(repeating: 7, count: 1 << 20)
            let digest = ContentDigest.of(Data(repeating: 7, count: 2 << 20))
            let (pieces, sending) = AsyncStream<ByteBuffer>.makeStream()
            sending.yield(piece)
            async let answer = fixture.send(
                .PUT, "/api/v1/blobs/\(digest)", as: fixture.operator_, body: .stream(pieces, length: .known(Int64(2 << 20))))
            try await eventually("the first half is on disk") {
                let file = try FileManager.default.contentsOfDirectory(
                    at: fixture.uploads, includingPropertiesForKeys: nil
                ).first
                return try file.map { try Data(contentsOf: $0).count == 1 << 20 } ?? false
            }
            sending.yield(piece)
            sending.finish()
            #expect(try await answer.status == 201)
            #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.uploads.path).isEmpty)
        }
    }

    @Test func `a digest may be percent-encoded`() async throws {
        try await OperatorFixture.serving { fixture in
            let bundle = try await fixture.pack()
            try await fixture.upload(bundle)
            _ = try await fixture.post("/bundles", OperatorAPI.PushBundle(digest: bundle.digest))
            let encoded = bundle.digest.replacingOccurrences(of: ":", with: "%3A")
            #expect(try await fixture.send(.HEAD, "/api/v1/blobs/\(encoded)", as: fixture.operator_).status == 200)
            #expect(try await fixture.get("/bundles/\(encoded)").status == 200)
        }
    }

    @Test func `HEAD tells a blob's size and never carries a body`() async throws {
        try await OperatorFixture.serving { fixture in
            let bytes = Data("twelve bytes".utf8)
            let path = "/api/v1/blobs/\(ContentDigest.of(bytes))"
            for (token, status) in [(nil, 401), (fixture.viewer, 403), (fixture.operator_, 404)] {
                let answer = try await fixture.send(.HEAD, path, as: token)
                #expect(answer.status == status && answer.body.isEmpty)
            }
            _ = try await fixture.send(.PUT, path, as: fixture.operator_, body: .bytes(ByteBuffer(bytes: bytes)))
            let answer = try await fixture.send(.HEAD, path, as: fixture.operator_)
            #expect(answer.status == 200 && answer.headers.first(name: "content-length") == "12")
        }
    }

    @Test func `a run that is followed is answered at its next change, and given up when the client goes`() async throws {
        try await OperatorFixture.serving { fixture in
            try await fixture.deployDemo()
            let run = try await fixture.post("/runs", OperatorAPI.StartRun(environment: "dev", flow: "main"))
                .decoded(OperatorAPI.RunView.self)

            async let followed = fixture.get("/runs/\(run.id)?since=\(run.version)&wait=25")
            try await eventually("the request is held") { fixture.plane.controlPlane.heldRequests == 1 }
            let cancelled = try await fixture.post("/runs/\(run.id)/cancel", JSONValue.object([:]), as: fixture.operator_)
            #expect(cancelled.status == 200)
            #expect(try await followed.decoded(OperatorAPI.RunView.self).version > run.version)

            // Until the run's own version, which does not come.
            let path = "/api/v1/runs/\(run.id)?since=\(Int64.max)&wait=25"
            let away = Task { try await fixture.send(.GET, path, as: fixture.viewer) }
            try await eventually("the request is held") { fixture.plane.controlPlane.heldRequests == 1 }
            away.cancel()
            try await eventually("the request is given up") { fixture.plane.controlPlane.heldRequests == 0 }
        }
    }

    @Test func `promtool accepts the metrics`() async throws {
        try await OperatorFixture.serving { fixture in
            _ = try await OperatorScenario(fixture: fixture).play()
            let answer = try await fixture.send(.GET, "/metrics", as: fixture.viewer)
            #expect(answer.headers.first(name: "content-type") == "text/plain; version=0.0.4; charset=utf-8")
            let text = String(decoding: answer.body, as: UTF8.self)
            for line in [
                "flowforge_runs{state=\"cancelled\"} ", "flowforge_tasks{state=\"succeeded\"} 1\n",
                "flowforge_attempts_finished_total{outcome=\"succeeded\"} 1\n", "flowforge_agents{state=\"revoked\"} 1\n",
                "flowforge_build_info{version=\"\(FlowForgeVersion.current)\",protocol=\"\(ProtocolVersion.current)\"} 1\n",
            ] { #expect(text.contains(line), "\(line)") }
            let result = try await Subprocess.run(
                .name("promtool"), arguments: ["check", "metrics"], input: .string(text), output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20))
            let said = result.standardOutput + result.standardError
            #expect(result.terminationStatus.isSuccess && said.isEmpty, "\(said); is promtool there? run `make tools`")
        }
    }

    @Test func `what does not exist is not found, and said so as JSON`() async throws {
        try await OperatorFixture.serving { fixture in
            let answer = try await fixture.get("/nothing")
            #expect(answer.status == 404 && answer.error?.code == .notFound)
        }
    }
}
