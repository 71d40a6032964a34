import FlowForgeClient
import FlowForgeProtocol
import Foundation
import NIOHTTP1
import Synchronization
import Testing

@Suite struct OperatorClientTests {
    @Test func `a request carries the token and is made below the API's path`() async throws {
        try await ScriptedServer.with({ _ in .ok(Samples.principal()) }) { server in
            let who = try await server.client { try await $0.whoAmI() }
            #expect(who.name == "ada")
            let request = try #require(server.requests.first)
            #expect(request.uri == "/api/v1/whoami")
            #expect(request.headers["Authorization"] == ["Bearer test-token"])
        }
    }

    @Test func `what a name or a value contains stays in its place in the address`() async throws {
        try await ScriptedServer.with({ request in
            request.path.hasSuffix("/runs") ? .ok(OperatorAPI.Page<OperatorAPI.RunView>(items: [])) : .notFound
        }) { server in
            try await server.client { client in
                _ = try await client.runs(environment: "a&state=failed b/ü", limit: 3)
                await #expect(throws: APIError.self) { try await client.environment("../bundles?x") }
            }
            #expect(server.requests[0].uri == "/api/v1/runs?environment=a%26state%3Dfailed%20b%2F%C3%BC&limit=3")
            #expect(server.requests[1].uri == "/api/v1/environments/..%2Fbundles%3Fx")
        }
    }

    @Test func `a refusal is thrown with its code, message and hint`() async throws {
        let refusal = APIError(.forbidden, "this needs the role 'owner'", hint: "ask an owner", metadata: ["role": "owner"])
        try await ScriptedServer.with({ _ in .refused(.forbidden, refusal) }) { server in
            await #expect(throws: refusal) { try await server.client { try await $0.principals() } }
        }
    }

    @Test func `an answer that is not the API's is said to be none, whatever its status`() async throws {
        for reply in [
            ScriptedServer.Reply.json(.ok, Data("<html>hello</html>".utf8)), .json(.badGateway, Data("<html>".utf8)),
            .json(.ok, Data("{\"name\":\"ada\"}".utf8)), .json(.found, Data()),
        ] {
            try await ScriptedServer.with({ _ in reply }) { server in
                let error = await #expect(throws: ClientError.self) { try await server.client { try await $0.whoAmI() } }
                #expect(error?.kind == .unexpectedAnswer)
            }
        }
    }

    @Test func `a GET whose connection breaks is repeated once, a POST never`() async throws {
        let count = Mutex(0)
        try await ScriptedServer.with({ request in
            guard request.method == .GET else { return .hangUp }
            return count.withLock {
                $0 += 1; return $0
            } == 1 ? .hangUp : .ok(Samples.principal())
        }) { server in
            try await server.client { client in
                _ = try await client.whoAmI()
                let error = await #expect(throws: ClientError.self) {
                    try await client.startRun(.init(environment: "dev", flow: "f"))
                }
                #expect(error?.kind == .interrupted)
            }
            #expect(server.requests.map(\.method) == [.GET, .GET, .POST])
        }
    }

    @Test func `a server that never answers ends in a time-out`() async throws {
        try await ScriptedServer.with({ _ in .silence }) { server in
            let error = await #expect(throws: ClientError.self) {
                try await server.client(timeout: .milliseconds(300)) { try await $0.whoAmI() }
            }
            #expect(error?.kind == .timedOut)
        }
    }

    @Test func `201 says that it was made now, 200 that it was there`() async throws {
        let first = Mutex(true)
        try await ScriptedServer.with({ _ in
            first.withLock { isFirst in
                defer { isFirst = false }
                return isFirst ? .created(Samples.run(.queued)) : .ok(Samples.run(.running))
            }
        }) { server in
            try await server.client { client in
                let request = OperatorAPI.StartRun(environment: "dev", flow: "medallion", idempotencyKey: "k")
                let first = try await client.startRun(request)
                let second = try await client.startRun(request)
                #expect(first.created && !second.created)
            }
            let sent = try WireCoding.decode(OperatorAPI.StartRun.self, from: server.requests[0].body)
            #expect(sent.flow == "medallion" && sent.idempotencyKey == "k")
        }
    }

    @Test func `a blob that is there is not sent again`() async throws {
        let stored = Mutex<[String: Data]>([:])
        let content = Data((0..<700_000).map { UInt8(truncatingIfNeeded: $0) })
        try await ScriptedServer.with({ request in
            let name = String(request.path.split(separator: "/").last ?? "")
            return stored.withLock { stored in
                switch request.method {
                case .HEAD: return .json(stored[name] == nil ? .notFound : .ok, Data())
                case .PUT:
                    stored[name] = request.body
                    return .json(.created, Data())
                default: return .notFound
                }
            }
        }) { server in
            let progress = Mutex<[Int64]>([])
            try await server.client { client in
                let first = try await client.putBlob("sha256:ab", from: .bytes(content)) { sent, _ in
                    progress.withLock { $0.append(sent) }
                }
                let again = try await client.putBlob("sha256:ab", from: .bytes(content))
                let empty = try await client.putBlob("sha256:cd", from: .bytes(Data()))
                #expect(first && !again && empty)
            }
            #expect(server.requests.map(\.method) == [.HEAD, .PUT, .HEAD, .HEAD, .PUT])
            #expect(stored.withLock { $0["sha256%3Aab"] } == content)
            #expect(progress.withLock { $0 } == [262_144, 524_288, 700_000])
        }
    }

    @Test func `a file is streamed as it is, and a missing one is named`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "blob-\(UUID())")
        try Data(repeating: 7, count: 300_000).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try await ScriptedServer.with({ $0.method == .HEAD ? .json(.notFound, Data()) : .json(.created, Data()) }) { server in
            try await server.client { client in
                try await client.putBlob("sha256:ab", from: .file(file))
                let error = await #expect(throws: ClientError.self) {
                    try await client.putBlob("sha256:ab", from: .file(URL(filePath: "/does/not/exist")))
                }
                #expect(error?.kind == .unreadableFile && error?.message.contains("/does/not/exist") == true)
            }
            #expect(server.requests[1].body == Data(repeating: 7, count: 300_000))
        }
    }
}
