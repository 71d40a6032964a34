import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

@Suite struct CacheTests {
    @Test func `concurrent attempts share one download, and later ones need none`() async throws {
        try await withTemporaryFolder { folder in
            let plane = TestPlane()
            let bundle = try testBundle(in: folder)
            plane.serve(bundle)
            let cache = try BundleCache(folder: folder.appending(path: "cache"), controlPlane: plane, maxBytes: 1 << 30)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        try await cache.with(bundle.digest) { #expect($0.manifest == bundle.manifest) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(plane.state.withLock { $0.blobReads.count } == 3)
            let again = try BundleCache(folder: folder.appending(path: "cache"), controlPlane: plane, maxBytes: 1 << 30)
            try await again.with(bundle.digest) { _ in }
            #expect(plane.state.withLock { $0.blobReads.count } == 3)
        }
    }

    @Test func `a download that was cut off goes on where it stopped`() async throws {
        try await withTemporaryFolder { folder in
            let plane = TestPlane()
            let bundle = try testBundle(in: folder)
            plane.serve(bundle)
            plane.state.withLock { $0.cuts = [.max, .max, 700] }
            let cache = try BundleCache(folder: folder.appending(path: "cache"), controlPlane: plane, maxBytes: 1 << 30)
            await #expect(throws: LinkError.self) { try await cache.with(bundle.digest) { _ in } }
            try await cache.with(bundle.digest) { _ in }
            #expect(plane.state.withLock { $0.blobReads.last?.from } == 700)
        }
    }

    @Test func `bytes that are not what the digest names are never used`() async throws {
        try await withTemporaryFolder { folder in
            let (good, evil) = (try testBundle("good", in: folder), try testBundle("evil", in: folder))
            for part in 0..<3 {
                let plane = TestPlane()
                plane.serve(good)
                plane.state.withLock { $0.blobs[good.blobs[part].descriptor.digest] = evil.blobs[part].bytes + Data([0]) }
                let cache = try BundleCache(
                    folder: folder.appending(path: "cache\(part)"), controlPlane: plane, maxBytes: 1 << 30)
                await #expect(throws: CacheError.self) { try await cache.with(good.digest) { _ in Issue.record("used") } }
                // The honest bytes are taken afterwards.
                plane.serve(good)
                try await cache.with(good.digest) { #expect($0.manifest == good.manifest) }
            }
        }
    }

    @Test func `bundles used least recently go, but none that is in use`() async throws {
        try await withTemporaryFolder { folder in
            let plane = TestPlane()
            let bundles = try (0..<4).map { try testBundle("\($0)", padding: 20_000, in: folder) }
            bundles.forEach { plane.serve($0) }
            let clock = Mutex(Date(timeIntervalSince1970: 1_000_000))
            let size = bundles[0].layers[0].count + bundles[0].configBytes.count
            let cache = try BundleCache(
                folder: folder.appending(path: "cache"), controlPlane: plane, maxBytes: Int64(size * 2 + 45_000)
            ) {
                clock.withLock { clock in
                    clock += 1
                    return clock
                }
            }
            try await cache.with(bundles[0].digest) { _ in
                for bundle in bundles.dropFirst() { try await cache.with(bundle.digest) { _ in } }
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "cache/files").path)
            #expect(left.contains(String(bundles[0].digest.dropFirst(7))))
            #expect(left.contains(String(bundles[3].digest.dropFirst(7))))
            #expect(left.count < 4)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `two bundles that share layers are fetched at once, each with all of its files`()
        async throws
    {
        try await withTemporaryFolder { folder in
            let plane = TestPlane()
            let bundles = try ["a", "b"].map { try testBundle($0, padding: 9 << 20, more: ["same.txt": 2 << 20], in: folder) }
            let layers = bundles.map(\.ociManifest.layers)
            try #require(layers.map(\.count) == [2, 2] && layers[0][0] != layers[1][0] && layers[0][1] == layers[1][1])
            bundles.forEach { plane.serve($0) }
            plane.state.withLock { $0.meeting = (layers[0][1].digest, 2) }
            let place = folder.appending(path: "cache")
            let cache = try BundleCache(folder: place, controlPlane: plane, maxBytes: 1 << 30)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for bundle in bundles {
                    group.addTask {
                        try await cache.with(bundle.digest) { found in
                            for file in bundle.files {
                                let there = try Data(contentsOf: found.folder.appending(path: file.path))
                                #expect(there == file.contents)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: place.appending(path: "blobs").path)
            let kept = bundles.flatMap { [$0.digest, $0.ociManifest.config.digest] }.map { String($0.dropFirst(7)) }
            #expect(Set(left) == Set(kept))
        }
    }

    @Test func `a digest that is a path is refused`() async throws {
        try await withTemporaryFolder { folder in
            let cache = try BundleCache(folder: folder, controlPlane: TestPlane(), maxBytes: 1 << 30)
            await #expect(throws: CacheError.self) { try await cache.with("sha256:../../x") { _ in } }
        }
    }
}
