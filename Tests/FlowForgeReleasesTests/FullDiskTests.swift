import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeReleases
import Foundation
import Testing

#if os(Linux)
    import Glibc

    /// On a file system of 1 MiB in memory; mounting one needs root.
    @Suite(.timeLimit(.minutes(1)), .enabled(if: getuid() == 0, "mounting a tmpfs needs root")) struct FullDiskTests {
        @Test func `an upload that fills the disk is refused, removed, and works once there is space`() async throws {
            let mountPoint = FileManager.default.temporaryDirectory.appending(path: "flowforge-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: mountPoint, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: mountPoint) }
            try #require(mount("tmpfs", mountPoint.path, "tmpfs", 0, "size=1m") == 0)
            defer { umount2(mountPoint.path, Int32(MNT_DETACH)) }

            let folder = mountPoint.appending(path: "registry")
            let fixture = try ReleasesFixture(registryFolder: folder)
            let filler = mountPoint.appending(path: "filler")
            try Data(count: 600 << 10).write(to: filler)
            let bytes = Data(repeating: 7, count: 700 << 10)
            let digest = ContentDigest.of(bytes)
            let error = await refusal { try await fixture.registry.putBlob(digest, from: Pieces(bytes, size: 64 << 10)) }
            #expect(error?.code == .storageFull)
            #expect(error?.isRetryable == true)
            #expect(try !fixture.registry.hasBlob(digest))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "uploads").path).isEmpty)

            try FileManager.default.removeItem(at: filler)
            // A process that starts just now may still hold what was removed.
            var status = statvfs()
            while statvfs(mountPoint.path, &status) == 0, Int(status.f_bavail) * Int(status.f_frsize) < 800 << 10 {
                await Task.yield()
            }
            #expect(try await fixture.registry.putBlob(digest, from: Pieces(bytes, size: 64 << 10)))
        }
    }
#endif
