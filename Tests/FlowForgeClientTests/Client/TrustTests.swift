import FlowForgeClient
import FlowForgeProtocol
import Foundation
import Testing
import X509

@Suite struct TrustTests {
    @Test func `a server of another CA is not trusted, and gets no token`() async throws {
        let other = try TestCertificates()
        try await ScriptedServer.with({ _ in .ok(Samples.principal()) }) { server in
            let error = await #expect(throws: ClientError.self) {
                try await OperatorClient.with(
                    address: ServerAddress(server.url), trust: .pinned(other.caPEM), token: Secret("t")
                ) { try await $0.whoAmI() }
            }
            #expect(error?.kind == .notTrusted)
            #expect(server.requests.isEmpty)
        }
    }

    @Test func `a certificate for another name is not trusted, and the name is said`() async throws {
        let elsewhere = try TestCertificates(names: [.dnsName("elsewhere.example")])
        try await ScriptedServer.with(certificates: elsewhere, { _ in .ok(Samples.principal()) }) { server in
            let error = await #expect(throws: ClientError.self) { try await server.client { try await $0.whoAmI() } }
            #expect(error?.kind == .notTrusted)
            #expect(error?.message.contains("127.0.0.1") == true, "\(String(describing: error))")
        }
    }

    @Test func `a fingerprint fetches the CA that it belongs to, in any way of writing it`() async throws {
        try await ScriptedServer.with({ _ in .ok(Samples.principal()) }) { server in
            let address = try ServerAddress(server.url)
            let digits = server.certificates.fingerprint.dropFirst(7).uppercased()
            let colons = stride(from: 0, to: 64, by: 2).map { String(digits.dropFirst($0).prefix(2)) }.joined(separator: ":")
            for text in [server.certificates.fingerprint, String(digits), "SHA256:\(colons)"] {
                let pem = try await ServerTrust.fetch(fingerprint: text, from: address)
                #expect(try ServerTrust.fingerprints(ofPEM: pem) == [server.certificates.fingerprint])
                let who = try await OperatorClient.with(address: address, trust: .pinned(pem), token: Secret("t")) {
                    try await $0.whoAmI()
                }
                #expect(who.name == "ada")
            }
            #expect(server.requests.count == 3, "nothing but the three calls was sent")
        }
    }

    @Test func `a fingerprint that the server does not show is refused`() async throws {
        try await ScriptedServer.with({ _ in .ok(Samples.principal()) }) { server in
            let wrong = "sha256:" + String(repeating: "0", count: 64)
            let error = await #expect(throws: ClientError.self) {
                try await ServerTrust.fetch(fingerprint: wrong, from: ServerAddress(server.url))
            }
            #expect(error?.kind == .notTrusted)
            let none = await #expect(throws: ClientError.self) {
                try await ServerTrust.fetch(fingerprint: "sha256:xyz", from: ServerAddress(server.url))
            }
            #expect(none?.kind == .invalidTrust)
        }
    }

    @Test func `nothing there and no such name are told apart`() async throws {
        // Port 1 is reserved and nobody listens on it.
        for (url, kind) in [
            ("https://127.0.0.1:1", ClientError.Kind.unreachable), ("https://no-such-host.invalid:8444", .nameNotFound),
        ] {
            let address = try ServerAddress(url)
            let called = await #expect(throws: ClientError.self) {
                try await OperatorClient.with(address: address, trust: .system, token: Secret("t")) { try await $0.whoAmI() }
            }
            #expect(called?.kind == kind, "\(String(describing: called))")
            let fetched = await #expect(throws: ClientError.self) {
                try await ServerTrust.fetch(fingerprint: String(repeating: "0", count: 64), from: address)
            }
            #expect(fetched?.kind == kind, "\(String(describing: fetched))")
        }
    }

    @Test(arguments: [
        "", "localhost:8444", "http://localhost:8444", "https://", "https://h:0", "https://h:99999", "https://u:p@h",
        "https://h?x=1",
        "ftp://h", "https://h ost", "file:///etc/passwd",
    ]) func `an address that is none is refused`(_ text: String) {
        let error = #expect(throws: ClientError.self) { try ServerAddress(text) }
        #expect(error?.kind == .invalidAddress)
    }

    @Test func `addresses are written in one way`() throws {
        #expect(try ServerAddress("https://h").description == "https://h:443")
        #expect(try ServerAddress("HTTPS://h:8444///").description == "https://h:8444")
        #expect(try ServerAddress("https://[::1]:8444/flowforge/").description == "https://[::1]:8444/flowforge")
    }
}
