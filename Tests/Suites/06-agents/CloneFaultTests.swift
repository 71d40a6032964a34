import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// Two machines with one key and one state folder: a virtual machine that was cloned.
@Suite(.timeLimit(.minutes(2))) struct CloneFaultTests {
    @Test func `the older of two agents with one identity is refused, and the copy can join as itself`() async throws {
        try await Fleet.up { fleet in
            let original = try await fleet.agent("original")
            let older = try await original.start()
            let run = try await fleet.run("gated")
            try await fleet.trace("start")
            // The machine is copied while it works.
            let folder = fleet.folder.appending(path: "copy")
            let copied = try await execute("cp", ["-a", original.state.path, folder.path])
            try #require(copied.status == 0, "\(copied)")
            let copy = FleetAgent(fleet: fleet, name: "copy", state: folder, id: original.id)
            var younger = try await FaultTally.fault("agent.clone") {
                let younger = try await copy.start()
                try #require(try await older.end(within: .seconds(60)) == 77)
                try #require(older.said.contains("another machine uses this agent's identity"), "\(older.said)")
                try #require(try await fleet.refusals("agent.poll").contains("agent_cloned"))
                return younger
            }
            #expect(!younger.hasEnded)
            // What the older one worked on is done again, once.
            try fleet.go()
            let ended = try await fleet.ended(run)
            #expect(ended.state == .succeeded && ended.tasks?[0].attempts.last?.number == 2)
            #expect(ended.tasks?[0].attempts.count { $0.state == .succeeded } == 1)

            // As the message says: the copy becomes an agent of its own, then both work.
            younger.send(SIGTERM)
            #expect(try await younger.end() == 0)
            let own = try await FleetAgent.join(fleet, name: "copy", state: folder, force: true)
            #expect(own.id != original.id)
            let first = try await original.start()
            younger = try await own.start()
            let again = try await fleet.ended(try await fleet.run("quick"))
            #expect(again.state == .succeeded)
            for id in [original.id, own.id] { #expect(try await fleet.client.agent(id).state == .online) }
            #expect(!first.hasEnded && !younger.hasEnded)
        }
    }
}
