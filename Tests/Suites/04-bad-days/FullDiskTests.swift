import Foundation
import Glibc
import Testing

@Suite struct FullDiskTests {
    @Test(.enabled(if: geteuid() == 0, "only root can mount a small disk"), .timeLimit(.minutes(3)))
    func `a full disk refuses writes, lets reads go on, and heals when there is room`() async throws {
        try await Installation.up(diskMiB: 6) { it in
            try await it.mustFlowforge("env", "create", "before", "--pool", "local")
            let filler = it.disk.appending(path: "filler")
            #expect(FileManager.default.createFile(atPath: filler.path, contents: nil))
            let file = try FileHandle(forWritingTo: filler)
            #expect(throws: (any Error).self) { while true { try file.write(contentsOf: Data(repeating: 0, count: 4096)) } }
            try file.close()

            let padding = String(repeating: "a", count: 4000)
            let refused = try await it.flowforge("env", "create", "full", "--pool", "local", "--var", "x=\(padding)")
            #expect(refused.status == 6 && refused.errors.contains("disk is full"), "\(refused)")
            let push = try await it.flowforge("bundle", "push", Checkout.root.appending(path: "Examples/nyc-flights").path)
            #expect(push.status == 6 && push.errors.contains("nothing of this upload was kept"), "\(push)")
            let read = try await it.mustFlowforge("env", "list")
            #expect(read.output.contains("before") && !read.output.contains("full"))

            try FileManager.default.removeItem(at: filler)
            try await it.mustFlowforge("env", "create", "after", "--pool", "local")
            try await it.mustFlowforge("bundle", "push", Checkout.root.appending(path: "Examples/nyc-flights").path)
        }
    }
}
