import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

@Suite struct IdentityTests {
    /// A control plane that grants what is asked and remembers the requests.
    final class JoinDesk: Sendable {
        let requests = Mutex<[AgentAPI.JoinRequest]>([])
        let refusal: APIError?
        let authority: TestAuthority
        let life: Double
        init(_ authority: TestAuthority, life: Double = 3600, refusal: APIError? = nil) {
            self.authority = authority
            self.life = life
            self.refusal = refusal
        }
        func answer(_ request: TestRequest) throws -> TestAnswer {
            guard request.path == "/agent/v1/join" else { return TestAnswer(status: 404) }
            let join = try WireCoding.decode(AgentAPI.JoinRequest.self, from: request.body)
            requests.withLock { $0.append(join) }
            if let refusal { return try .refusal(refusal, status: 403) }
            return try .json(try authority.grant(csr: join.csr, agent: join.agent ?? .make(), pool: join.pool, life: life))
        }
    }

    func joining(_ url: URL, _ folder: URL, _ fingerprint: Fingerprint?, proxies: ProxyRules = .direct, force: Bool = false)
        -> Joining
    {
        Joining(
            settings: LinkSettings(url: url, proxies: proxies, connectTimeout: .seconds(5)),
            state: folder.appending(path: "state"),
            token: Secret("planted-token"), pool: "local", name: "test", fingerprint: fingerprint, force: force)
    }

    @Test func `joining pins the authority, keeps the key to itself and writes the identity once`() async throws {
        let authority = try TestAuthority()
        let desk = JoinDesk(authority)
        let server = try await TestServer(authority) { try desk.answer($0) }
        try await withTemporaryFolder { folder in
            guard case .joined(let identity) = try await joining(server.url, folder, authority.fingerprint).join() else {
                Issue.record("not joined")
                return
            }
            let loaded = try IdentityFolder(state: folder.appending(path: "state")).load()
            #expect(loaded.agent == identity.agent && loaded.pool == "local")
            #expect(loaded.certificate == identity.certificate && loaded.key.reveal() == identity.key.reveal())
            let key = folder.appending(path: "state/identity/agent.key")
            #expect(try DiskFile.mode(key) == 0o600)
            #expect(desk.requests.withLock { $0.count } == 1)
            #expect(desk.requests.withLock { !$0[0].csr.contains("PRIVATE") })

            // Again: nothing is sent.
            guard case .already(let same) = try await joining(server.url, folder, authority.fingerprint).join() else {
                Issue.record("joined twice")
                return
            }
            #expect(same.agent == identity.agent)
            #expect(desk.requests.withLock { $0.count } == 1)

            guard case .joined(let other) = try await joining(server.url, folder, authority.fingerprint, force: true).join()
            else {
                Issue.record("--force did nothing")
                return
            }
            #expect(other.agent != identity.agent)
            let generations = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "state/identities").path)
            #expect(generations.count == 1)
        }
        await server.stop()
    }

    @Test func `a server of another authority never sees the token`() async throws {
        let (authority, foreign) = (try TestAuthority(), try TestAuthority(name: "foreign"))
        let desk = JoinDesk(authority)
        let server = try await TestServer(foreign) { try desk.answer($0) }
        try await withTemporaryFolder { folder in
            let error = await #expect(throws: LinkError.self) {
                try await joining(server.url, folder, authority.fingerprint).join()
            }
            #expect(words(error).contains("not the pinned one"))
        }
        #expect(desk.requests.withLock { $0.isEmpty })
        await server.stop()
    }

    @Test func `a certificate of the right authority for another host is refused before the token is sent`() async throws {
        let authority = try TestAuthority()
        let desk = JoinDesk(authority)
        let server = try await TestServer(authority, host: "elsewhere.example") { try desk.answer($0) }
        try await withTemporaryFolder { folder in
            let error = await #expect(throws: JoinFault.self) {
                try await joining(server.url, folder, authority.fingerprint).join()
            }
            #expect(words(error).contains("another host name"))
        }
        #expect(desk.requests.withLock { $0.isEmpty })
        await server.stop()
    }

    @Test(arguments: [ErrorCode.tokenUnknown, .tokenUsed, .tokenExpired, .tokenPool, .invalidCSR, .agentRevoked])
    func `each refusal is one line of its own`(code: ErrorCode) async throws {
        let authority = try TestAuthority()
        let desk = JoinDesk(authority, refusal: APIError(code, "server's words"))
        let server = try await TestServer(authority) { try desk.answer($0) }
        try await withTemporaryFolder { folder in
            let error = await #expect(throws: JoinFault.self) {
                try await joining(server.url, folder, authority.fingerprint).join()
            }
            let text = words(error)
            #expect(!text.contains("\n") && !text.contains("planted-token") && !text.hasPrefix("refused:"))
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "state/identity").path))
        }
        await server.stop()
    }

    @Test func `joining goes through a proxy that wants a password`() async throws {
        let authority = try TestAuthority()
        let desk = JoinDesk(authority)
        let server = try await TestServer(authority) { try desk.answer($0) }
        let proxy = try await TestProxy(credentials: "me:secret")
        try await withTemporaryFolder { folder in
            let rules = ProxyRules(
                proxy: ProxyEndpoint("http://me:secret@127.0.0.1:\(proxy.port)"), noProxy: "", proxiesLoopback: true)
            guard case .joined = try await joining(server.url, folder, authority.fingerprint, proxies: rules).join() else {
                Issue.record("not joined")
                return
            }
            #expect(proxy.connects.count == 2)
            #expect(proxy.connects.allSatisfy { $0 == "CONNECT 127.0.0.1:\(server.port) HTTP/1.1" })
        }
        await proxy.stop()
        await server.stop()
    }

    @Test func `an expired agent comes back under its own id`() async throws {
        let authority = try TestAuthority()
        let desk = JoinDesk(authority, life: 60)
        let server = try await TestServer(authority) { try desk.answer($0) }
        try await withTemporaryFolder { folder in
            guard case .joined(let first) = try await joining(server.url, folder, authority.fingerprint).join(),
                case .joined(let second) = try await joining(server.url, folder, authority.fingerprint).join(now: .now + 120)
            else {
                Issue.record("not joined")
                return
            }
            #expect(first.agent == second.agent)
            #expect(desk.requests.withLock { $0.map(\.agent) } == [nil, first.agent])
        }
        await server.stop()
    }

    @Test func `a key that others may read is refused`() async throws {
        let authority = try TestAuthority()
        try await withTemporaryFolder { folder in
            let identities = IdentityFolder(state: folder)
            try identities.save(try authority.identity(url: URL(string: "https://x:1")!))
            chmod(folder.appending(path: "identity/agent.key").path, 0o644)
            let error = #expect(throws: IdentityError.self) { try identities.load() }
            #expect(words(error).contains("mode 644"))
        }
    }

    @Test func `a grant for another key is not taken`() throws {
        let authority = try TestAuthority()
        let grant = try authority.grant(csr: MachineKey().request(name: "a"), agent: .make(), pool: "local")
        #expect(throws: IdentityError.self) {
            try Identity(grant, key: MachineKey(), name: "a", url: URL(string: "https://x:1")!)
        }
    }

    @Test func `fingerprints are read as openssl prints them and as flowforged does`() throws {
        let hex = String(repeating: "aB", count: 32)
        let plain = try #require(Fingerprint("sha256:" + hex))
        let colons = stride(from: 0, to: 64, by: 2).map { _ in "AB" }.joined(separator: ":")
        #expect(Fingerprint("SHA256:" + colons) == plain)
        for wrong in ["", hex, "sha256:", "sha256:" + hex + "0", "sha1:" + hex, "sha256:" + String(repeating: "g", count: 64)] {
            #expect(Fingerprint(wrong) == nil)
        }
    }
}
