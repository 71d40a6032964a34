import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

@Suite struct LinkTests {
    static let poll = AgentAPI.PollRequest(freeSlots: 1, slots: 1, engines: [], waitSeconds: 0)

    func withLink<Result>(
        _ server: TestServer, _ identity: Identity?, roots: [String] = [], proxies: ProxyRules = .direct,
        answerTimeout: Duration = .seconds(10), _ body: (ControlPlaneLink) async throws -> Result
    ) async throws -> Result {
        let settings = LinkSettings(url: server.url, proxies: proxies, connectTimeout: .seconds(30), answerTimeout: answerTimeout)
        let link = try ControlPlaneLink(settings: settings, identity: identity, roots: roots)
        do {
            let result = try await body(link)
            await link.close()
            return result
        } catch {
            await link.close()
            throw error
        }
    }

    @Test func `a poll shows the client certificate and reads the answer`() async throws {
        let authority = try TestAuthority()
        let server = try await TestServer(authority) { request in
            #expect(request.hasCertificate && request.path == "/agent/v1/poll")
            return try .json(AgentAPI.PollResponse(serverTime: .now))
        }
        try await withLink(server, try authority.identity(url: server.url)) { link in
            let answer = try await link.poll(Self.poll)
            #expect(answer.assignments.isEmpty)
        }
        await server.stop()
    }

    @Test func `a server of another authority is not spoken to`() async throws {
        let (authority, foreign) = (try TestAuthority(), try TestAuthority(name: "foreign"))
        let server = try await TestServer(foreign) { _ in
            Issue.record("a request arrived")
            return TestAnswer()
        }
        let error = await #expect(throws: LinkError.self) {
            try await withLink(server, try authority.identity(url: server.url)) { _ = try await $0.poll(Self.poll) }
        }
        #expect(words(error).contains("not signed by a trusted authority"))
        await server.stop()
    }

    @Test func `a certificate of another authority is refused in words`() async throws {
        let (authority, foreign) = (try TestAuthority(), try TestAuthority(name: "foreign"))
        let server = try await TestServer(authority) { _ in TestAnswer() }
        var identity = try foreign.identity(url: server.url)
        identity.trustBundle = authority.rootPEM
        let mixed = identity
        let error = await #expect(throws: LinkError.self) {
            try await withLink(server, mixed) { _ = try await $0.poll(Self.poll) }
        }
        #expect(error?.isFinal == false && !words(error).contains("\n"))
        await server.stop()
    }

    @Test func `an expired certificate sends nothing`() async throws {
        let authority = try TestAuthority()
        let server = try await TestServer(authority) { _ in
            Issue.record("a request arrived")
            return TestAnswer()
        }
        let error = await #expect(throws: LinkError.self) {
            try await withLink(server, try authority.identity(url: server.url, life: -1)) { _ = try await $0.poll(Self.poll) }
        }
        #expect(error?.isFinal == true)
        await server.stop()
    }

    @Test func `a server that hangs, closes or talks nonsense is told apart`() async throws {
        let authority = try TestAuthority()
        let mode = Mutex(0)
        let server = try await TestServer(authority) { _ in
            switch mode.withLock({ $0 }) {
            case 0: TestAnswer(hangs: true)
            case 1: TestAnswer(body: Data(repeating: 0x20, count: 100), cutAfter: 10)
            case 2: TestAnswer(body: Data("<html>portal</html>".utf8))
            case 3: TestAnswer(status: 502, body: Data("bad gateway".utf8))
            default: try .refusal(APIError(.agentRevoked, "revoked"), status: 403)
            }
        }
        let identity = try authority.identity(url: server.url)
        var errors: [LinkError] = []
        for step in 0...4 {
            mode.withLock { $0 = step }
            let error = await #expect(throws: LinkError.self) {
                // Only the hanging server is meant to be too slow, however busy this machine is.
                let patience: Duration = step == 0 ? .milliseconds(700) : .seconds(30)
                try await withLink(server, identity, answerTimeout: patience) { _ = try await $0.poll(Self.poll) }
            }
            if let error { errors.append(error) }
        }
        try #require(errors.count == 5)
        if case .timedOut = errors[0] {} else { Issue.record("\(errors[0])") }
        if case .unreachable = errors[1] {} else { Issue.record("\(errors[1])") }
        if case .unreadable = errors[2] {} else { Issue.record("\(errors[2])") }
        if case .unreadable = errors[3] {} else { Issue.record("\(errors[3])") }
        #expect(errors.map(\.isFinal) == [false, false, false, false, true])
        await server.stop()
    }

    @Test func `nobody listening says so`() async throws {
        let authority = try TestAuthority()
        let server = try await TestServer(authority) { _ in TestAnswer() }
        await server.stop()
        let error = await #expect(throws: LinkError.self) {
            try await withLink(server, try authority.identity(url: server.url)) { _ = try await $0.poll(Self.poll) }
        }
        #expect(words(error).contains("Connection refused"))
    }

    @Test func `a proxy is used with its password and sees nothing of the exchange`() async throws {
        let authority = try TestAuthority()
        let server = try await TestServer(authority) { request in
            #expect(request.hasCertificate)
            return try .json(AgentAPI.PollResponse(serverTime: .now))
        }
        let proxy = try await TestProxy(credentials: "me:p@ss")
        let rules = ProxyRules(
            proxy: ProxyEndpoint("http://me:p%40ss@127.0.0.1:\(proxy.port)"), noProxy: "", proxiesLoopback: true)
        try await withLink(server, try authority.identity(url: server.url), proxies: rules) { link in
            for _ in 0..<3 { _ = try await link.poll(Self.poll) }
        }
        #expect(proxy.connects == ["CONNECT 127.0.0.1:\(server.port) HTTP/1.1"])
        await proxy.stop()
        await server.stop()
    }

    @Test func `a proxy that wants a password is asked once`() async throws {
        let authority = try TestAuthority()
        let server = try await TestServer(authority) { _ in TestAnswer() }
        let proxy = try await TestProxy(credentials: "me:secret")
        let rules = ProxyRules(proxy: ProxyEndpoint("http://127.0.0.1:\(proxy.port)"), noProxy: "", proxiesLoopback: true)
        let error = await #expect(throws: LinkError.self) {
            try await withLink(server, try authority.identity(url: server.url), proxies: rules) {
                _ = try await $0.poll(Self.poll)
            }
        }
        #expect(words(error).contains("407"))
        #expect(proxy.connects.count == 1)
        await proxy.stop()
        await server.stop()
    }

    @Test func `a new certificate is used at once and cuts off nothing`() async throws {
        let authority = try TestAuthority()
        let gate = PollWake()
        let arrived = PollWake()
        let first = Mutex(true)
        let server = try await TestServer(authority) { _ in
            let isFirst = first.withLock { first in
                defer { first = false }
                return first
            }
            if isFirst {
                arrived.fire()
                await gate.wait()
            }
            return try .json(AgentAPI.PollResponse(serverTime: .now))
        }
        let next = try authority.identity(url: server.url)
        try await withLink(server, try authority.identity(url: server.url)) { link in
            async let parked = link.poll(Self.poll)
            await arrived.wait()
            try await link.adopt(next)
            _ = try await link.poll(Self.poll)
            gate.fire()
            _ = try await parked
        }
        await server.stop()
    }

    @Test(arguments: [
        ("example.com", 443, "", true), ("example.com", 443, "example.com", false), ("a.example.com", 443, "example.com", false),
        ("a.example.com", 443, ".example.com", false), ("example.com", 443, ".example.com", false),
        ("badexample.com", 443, "example.com", true), ("EXAMPLE.com", 443, "example.COM", false),
        ("example.com.", 443, "example.com", false), ("example.com", 443, "*.example.com", false),
        ("example.com", 8443, "example.com:8443", false), ("example.com", 443, "example.com:8443", true),
        ("example.com", 443, "a.org, b.org *", false), ("10.1.2.3", 443, "10.0.0.0/8", false),
        ("11.1.2.3", 443, "10.0.0.0/8", true),
        ("10.1.2.3", 443, "10.1.2.3", false), ("10.1.2.3", 443, "10.1.2.3:443", false), ("10.1.2.3", 80, "10.1.2.3:443", true),
        ("2001:db8::1", 443, "2001:db8::/32", false), ("2001:db8::1", 443, "[2001:db8::1]:443", false),
        ("2001:db8::1", 443, "2001:0db8:0::1", false), ("127.0.0.1", 443, "", false), ("localhost", 443, "", false),
        ("::1", 443, "", false), ("10.1.2.3", 443, "10.0.0.0/99, garbage/8, /, :", true), ("10.1.2.3", 443, "0.0.0.0/0", false),
    ])
    func `NO_PROXY is read as curl reads it`(host: String, port: Int, noProxy: String, proxied: Bool) throws {
        let rules = try ProxyRules.environment(["HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": noProxy])
        #expect((rules.proxy(host: host, port: port) != nil) == proxied)
    }

    @Test func `the lower-case proxy variables win, and a bad one is named without its password`() throws {
        let rules = try ProxyRules.environment(["HTTPS_PROXY": "http://upper:1", "https_proxy": "lower:2"])
        #expect(rules.proxy?.host == "lower" && rules.proxy?.port == 2)
        for wrong in ["https://proxy:1", "socks5://u:planted@proxy:1", "http://", "http://u:planted@proxy:1/path"] {
            let error = #expect(throws: ProxyRefusal.self) { try ProxyRules.environment(["HTTPS_PROXY": wrong]) }
            #expect(!words(error).contains("planted"))
        }
    }

    @Test func `backoff is drawn from zero to a ceiling that doubles to a minute, and success resets it`() {
        var backoff = Backoff(draw: { $0 })
        #expect((0..<9).map { _ in backoff.next().inSeconds } == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        for _ in 0..<200 { _ = backoff.next() }
        #expect(backoff.next() == .seconds(60))
        backoff.reset()
        #expect(backoff.next() == .seconds(1))
        var jittered = Backoff()
        for _ in 0..<1000 {
            let delay = jittered.next()
            #expect(delay >= .zero && delay <= .seconds(60))
        }
    }
}
