import FlowForgeProtocol
import FlowForgeTestSupport
import Testing

@Suite struct ListeningTests {
    @Test(.timeLimit(.minutes(1))) func `health needs no token, and everything else does`() async throws {
        try await TestControlPlane.run { plane in
            let stranger = try HTTPExchange(operator: plane, token: nil)
            for path in ["/healthz", "/readyz"] { #expect(try await stranger.get(path).status == 200) }
            for path in ["/metrics", "/api/v1/whoami", "/api/v1/openapi.json"] {
                #expect(try await stranger.get(path).status == 401)
            }
            let owner = try HTTPExchange(operator: plane, token: plane.ownerToken)
            let answer = try await owner.get("/api/v1/whoami")
            #expect(answer.status == 200)
            #expect(try WireCoding.decode(OperatorAPI.PrincipalView.self, from: answer.body).role == .owner)
        }
    }
}
