import AsyncHTTPClient
import FlowForgeDomain
import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeServer
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Subprocess
import Testing

/// How the real executable stops, reloads and tells systemd.
@Suite struct StoppingTests {
    @Test func `SIGTERM with polls being held ends the daemon within a second and answers them`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            #expect(try await DaemonTests.initialize(data).status == 0)
            let (grant, key) = try await Self.join(data)
            let ca = try String(contentsOf: DataFolder(data).caCertificate, encoding: .utf8)
            let token = try await Self.viewer(data)
            let client = try TestControlPlane.client(trusting: ca, certificate: grant.certificate, key: key)
            let polls = Answers()
            let ended = try await withThrowingTaskGroup(of: Void.self) { group in
                let ended = try await Daemon.serve(data) { daemon in
                    let agents = HTTPExchange(base: "https://127.0.0.1:\(daemon.agentPort)", client: client)
                    let operators = HTTPExchange(
                        base: "https://127.0.0.1:\(daemon.operatorPort)", client: client, token: token)
                    for _ in 0..<20 {
                        polls.start {
                            try await agents.post("/agent/v1/poll", TestAgent.pollRequest(waitSeconds: 25, freeSlots: 1))
                        }
                    }
                    try await eventually("20 polls are held") {
                        String(decoding: try await operators.get("/metrics").body, as: UTF8.self)
                            .contains("flowforge_requests_parked 20\n")
                    }
                }
                group.cancelAll()
                return ended
            }
            #expect(ended.status == .exited(0), "\(ended.log)")
            // Held polls alone would keep it for 25 s.
            #expect(ended.took < .seconds(20), "\(ended.took)\n\(ended.log)")
            for answer in await polls.all() { #expect(answer?.status == 200) }
            try await client.shutdown()
        }
    }

    @Test func `SIGHUP and changed files bring a new server certificate without a restart`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            #expect(try await DaemonTests.initialize(data).status == 0)
            let ended = try await Daemon.serve(data) { daemon in
                let before = try await Self.serial(daemon.operatorPort)
                try Self.replaceServerCertificate(DataFolder(data))
                #expect(try await Self.serial(daemon.operatorPort) == before)
                kill(daemon.pid, SIGHUP)
                try await eventually("both listeners show the new certificate") {
                    let operators = try await Self.serial(daemon.operatorPort)
                    let agents = try await Self.serial(daemon.agentPort)
                    return operators != before && agents == operators
                }
            }
            #expect(ended.status == .exited(0), "\(ended.log)")
        }
    }

    @Test func `systemd is told of readiness, life and stopping`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            #expect(try await DaemonTests.initialize(data).status == 0)
            let path = "/tmp/ff-notify-\(UUID().uuidString.prefix(8))"
            let received = try NotifySocket(path: path)
            let ended = try await Daemon.serve(
                data, environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"]
            ) { _ in
                try await eventually("a sign of life") { received.read().contains("WATCHDOG=1") }
                #expect(received.read().hasPrefix("READY=1"))
            }
            #expect(ended.status == .exited(0))
            #expect(received.read().contains("STOPPING=1"))
        }
    }

    /// Joins an agent before the daemon runs, through its data folder.
    private static func join(_ data: URL) async throws -> (AgentAPI.CertificateGrant, key: String) {
        let folder = DataFolder(data)
        let store = try Store(path: folder.database.path)
        let authority = try CertificateAuthority(
            certificatePEM: try String(contentsOf: folder.caCertificate, encoding: .utf8),
            keyPEM: Secret(try String(contentsOf: folder.caKey, encoding: .utf8)))
        let settings = FleetSettings(agentURL: "https://127.0.0.1")
        let token = try await JoinTokens(store: store, settings: settings, caFingerprint: authority.fingerprint)
            .create(.init(pool: "test"), by: .system("test"))
        let logger = TestControlPlane.quietLogger()
        let key = SigningPair()
        let grant = try await AgentJoining(
            store: store, authority: authority, settings: settings,
            refusals: RefusalTrail(store: store, logger: logger), logger: logger
        ).join(.init(token: token.token, pool: "test", csr: try key.request(), name: "a"))
        try store.close()
        return (grant, key.pem)
    }

    private static func viewer(_ data: URL) async throws -> Secret {
        let store = try Store(path: DataFolder(data).database.path)
        let token = BearerToken.make(.api)
        try await store.write { session in
            try session.principals.insert(
                .make(), name: "viewer", role: .viewer, tokenHash: token.hash, expiresAt: nil, by: .system("test"))
        }
        try store.close()
        return token.secret
    }

    private static func replaceServerCertificate(_ folder: DataFolder) throws {
        let authority = try CertificateAuthority(
            certificatePEM: try String(contentsOf: folder.caCertificate, encoding: .utf8),
            keyPEM: Secret(try String(contentsOf: folder.caKey, encoding: .utf8)))
        let fresh = try authority.issueServer(hosts: ["localhost"], lifetime: .seconds(90 * 86_400))
        try fresh.certificatePEM.write(to: folder.serverCertificate, atomically: false, encoding: .utf8)
        try fresh.keyPEM.reveal().write(to: folder.serverKey, atomically: false, encoding: .utf8)
    }

    /// The certificate that a listener shows, as text.
    private static func serial(_ port: Int) async throws -> String {
        let text = try await OpenSSL.connect(port, ["-showcerts"])
        return String(try #require(text.firstMatch(of: /-----BEGIN CERTIFICATE-----[^-]*/)).output)
    }
}
