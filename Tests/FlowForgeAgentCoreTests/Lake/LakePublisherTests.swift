import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

@Suite struct LakePublisherTests {
    private func snapshot(_ version: Int, in bench: EngineBench) throws -> AgentAPI.Publication {
        let id = ID<Snapshot>.make()
        let folder = bench.lake.root.appending(path: "dev/gold/t/snapshots/\(id)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data("v\(version)".utf8).write(to: folder.appending(path: "which"))
        return .init(
            environment: "dev", asset: try #require(AssetName("gold.t")),
            snapshot: SnapshotReference(id: id, version: version, location: "snapshots/\(id)"))
    }

    private func current(_ bench: EngineBench) throws -> String {
        try String(contentsOf: bench.lake.root.appending(path: "dev/gold/t/current/which"), encoding: .utf8)
    }

    @Test func `the pointers move forward and never back`() throws {
        let bench = try EngineBench()
        let (one, two) = (try snapshot(1, in: bench), try snapshot(2, in: bench))
        try LakePublisher.publish(one, lake: bench.lake)
        #expect(try current(bench) == "v1")
        try LakePublisher.publish(two, lake: bench.lake)
        try LakePublisher.publish(one, lake: bench.lake)
        try LakePublisher.publish(two, lake: bench.lake)
        #expect(try current(bench) == "v2")
        let pointer = try WireCoding.decode(
            LakePublisher.Pointer.self, from: Data(contentsOf: bench.lake.root.appending(path: "dev/gold/t/current.json")))
        #expect(pointer.version == 2)
    }

    @Test func `a crash between the two pointers is mended`() throws {
        let bench = try EngineBench()
        let (one, two) = (try snapshot(1, in: bench), try snapshot(2, in: bench))
        try LakePublisher.publish(one, lake: bench.lake)
        try LakePublisher.publish(two, lake: bench.lake)
        let link = bench.lake.root.appending(path: "dev/gold/t/current").path(percentEncoded: false)
        try FileManager.default.removeItem(atPath: link)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: one.snapshot.location)
        try LakePublisher.publish(two, lake: bench.lake)
        #expect(try current(bench) == "v2")
    }

    @Test func `many publishers at once leave the latest`() async throws {
        let bench = try EngineBench()
        let all = try (1...20).map { try snapshot($0, in: bench) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for one in all.shuffled() { group.addTask { try LakePublisher.publish(one, lake: bench.lake) } }
            try await group.waitForAll()
        }
        #expect(try current(bench) == "v20")
    }

    @Test func `a snapshot that is not there is refused`() throws {
        let bench = try EngineBench()
        var lost = try snapshot(1, in: bench)
        lost.snapshot.location = "snapshots/gone"
        #expect(throws: TaskError.self) { try LakePublisher.publish(lost, lake: bench.lake) }
        lost.snapshot.location = "../../../../etc"
        #expect(throws: TaskError.self) { try LakePublisher.publish(lost, lake: bench.lake) }
    }

    @Test func `the staging of dead attempts is swept, that of living ones stays`() throws {
        let bench = try EngineBench()
        // As at the root of a mounted disk.
        let foreign = bench.lake.root.appending(path: "lost+found")
        try FileManager.default.createDirectory(at: foreign, withIntermediateDirectories: true)
        chmod(foreign.path(percentEncoded: false), 0)
        let (alive, dead) = (ID<Attempt>.make(), ID<Attempt>.make())
        let asset = bench.lake.root.appending(path: "dev/gold/t")
        for attempt in [alive, dead] { _ = try SnapshotStaging(asset: asset, attempt: attempt, snapshot: .make()) }
        #expect(try LakePublisher.sweep(lake: bench.lake, dead: [dead, .make()]) == 1)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: asset.appending(path: ".staging").path(percentEncoded: false))
                == [alive.description])
    }
}
