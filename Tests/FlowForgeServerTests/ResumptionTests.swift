import FlowForgeDomain
import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

/// A TLS 1.3 ticket carries the identity of the connection that it came from. Taken again it would let
/// in a certificate that has expired or was revoked since, without its being shown.
@Suite struct ResumptionTests {
    @Test func `a ticket is not taken, so nobody comes back without showing the certificate`() async throws {
        try await withTicket { plane, agent, ticket in
            let text = try await OpenSSL.request(plane.agentPort, "/agent/v1/poll", ["-sess_in", ticket])
            #expect(text.contains("New, TLSv1.3"))
            #expect(!text.contains("Reused"))
            #expect(text.contains("certificate_required"))
        }
    }

    @Test func `a ticket does not help a revoked certificate`() async throws {
        try await withTicket { plane, agent, ticket in
            _ = try await plane.registry().revoke(agent.id, by: .system("test"))
            let bare = try await OpenSSL.request(plane.agentPort, "/agent/v1/poll", ["-sess_in", ticket])
            #expect(bare.contains("certificate_required"))
            let shown = try await OpenSSL.request(
                plane.agentPort, "/agent/v1/poll", ["-sess_in", ticket] + agentFiles(agent, beside: ticket))
            #expect(shown.contains("agent_revoked"))
        }
    }

    /// A ticket of a connection on which the agent was known.
    private func withTicket(
        _ body: @escaping @Sendable (TestControlPlane, TestAgent, String) async throws -> Void
    ) async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            try await withTemporaryFolder { folder in
                let ticket = folder.appending(path: "ticket").path
                let files = try agentFiles(agent, beside: ticket)
                let request = String(
                    decoding: try WireCoding.encode(TestAgent.pollRequest()), as: UTF8.self)
                let text = try await OpenSSL.request(
                    plane.agentPort, "/agent/v1/poll", body: request, ["-sess_out", ticket] + files)
                #expect(text.contains("200 OK"))
                #expect(FileManager.default.fileExists(atPath: ticket), "the server sent a ticket")
                try await body(plane, agent, ticket)
            }
        }
    }
}

private func agentFiles(_ agent: TestAgent, beside file: String) throws -> [String] {
    try agent.grant.certificate.write(toFile: file + ".cert", atomically: true, encoding: .utf8)
    try agent.key.write(toFile: file + ".key", atomically: true, encoding: .utf8)
    return ["-cert", file + ".cert", "-key", file + ".key"]
}
