import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeServer
import FlowForgeTestSupport
import Foundation
import Testing

@Suite struct ServerCertificateTests {
    @Test func `a certificate that nears its end is renewed for the same names`() async throws {
        // With a life of 400 days, the 90 days that `init` gave are less than a third.
        try await TestControlPlane.run(configure: { $0.serverCertificateLifetime = .seconds(400 * 86_400) }) { plane in
            let text = try String(contentsOf: plane.dataFolder.serverCertificate, encoding: .utf8)
            #expect(try ServerCertificate.notAfter(pem: text).timeIntervalSinceNow > 399 * 86_400)
            #expect(try ServerCertificate.hosts(pem: text) == ["localhost", "127.0.0.1"])
            #expect(try await plane.agent().poll().status == 200)
        }
    }

    @Test func `changed files are taken over without being told`() async throws {
        try await TestControlPlane.run(configure: { $0.certificateCheck = .milliseconds(20) }) { plane in
            let before = try await Self.shown(plane.operatorPort)
            let fresh = try plane.authority().issueServer(hosts: ["localhost", "127.0.0.1"], lifetime: .seconds(90 * 86_400))
            try fresh.keyPEM.reveal().write(to: plane.dataFolder.serverKey, atomically: false, encoding: .utf8)
            try fresh.certificatePEM.write(to: plane.dataFolder.serverCertificate, atomically: false, encoding: .utf8)
            try await eventually("the new certificate is shown") { try await Self.shown(plane.operatorPort) != before }
        }
    }

    @Test func `files that do not fit together are not taken over`() async throws {
        try await TestControlPlane.run { plane in
            let before = try await Self.shown(plane.agentPort)
            let other = try plane.authority().issueServer(hosts: ["localhost"], lifetime: .seconds(90 * 86_400))
            try other.certificatePEM.write(to: plane.dataFolder.serverCertificate, atomically: false, encoding: .utf8)
            #expect(throws: StartUpFault.self) { try plane.controlPlane.reload() }
            try "nonsense".write(to: plane.dataFolder.serverCertificate, atomically: false, encoding: .utf8)
            #expect(throws: StartUpFault.self) { try plane.controlPlane.reload() }
            #expect(try await Self.shown(plane.agentPort) == before)
        }
    }

    private static func shown(_ port: Int) async throws -> String {
        let text = try await OpenSSL.connect(port, ["-showcerts"])
        return String(try #require(text.firstMatch(of: /-----BEGIN CERTIFICATE-----[^-]*/)).output)
    }
}
