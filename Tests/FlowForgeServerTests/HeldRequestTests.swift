import FlowForgeProtocol
import FlowForgeServer
import FlowForgeTestSupport
import Foundation
import Testing

@Suite struct HeldRequestTests {
    @Test func `polls of clients that vanish are let go`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<40 { group.addTask { _ = try? await agent.poll(waitSeconds: 25, freeSlots: 1) } }
                try? await eventually("40 polls are held") { plane.controlPlane.heldRequests == 40 }
                group.cancelAll()
            }
            try await eventually("no poll is held") { plane.controlPlane.heldRequests == 0 }
        }
    }

    @Test func `a connection goes on after a poll that was held`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            for _ in 0..<3 { #expect(try await agent.poll(waitSeconds: 0.05, freeSlots: 1).status == 200) }
        }
    }
}
