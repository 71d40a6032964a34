import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeBundle

struct DigestTests {
    @Test func `the digest of a bundle does not depend on the order of its files`() throws {
        let files = Sample.files()
        let digest = try BundleBuilder.build(files).digest
        for _ in 0..<8 { #expect(try BundleBuilder.build(files.shuffled()).digest == digest) }
        #expect(ContentDigest.isWellFormed(digest))
    }

    /// The first was computed by a program of a few lines of Python too. If one of them changes, every
    /// bundle gets a new digest, and a new version of the media types is due.
    @Test func `the digest of a bundle is this one, in this version and the next`() throws {
        let packed = try BundleBuilder.build(Sample.files())
        #expect(packed.ociManifest.layers[0].digest == "sha256:c468ccd7d342a461f7071f87f780bf4250a81c914f9e8633d6e5647fe34fbec4")
        #expect(packed.digest == "sha256:4d75252c9e239b11da1b95331c23a00d48502897690462c09fd9131a2c12e060")
    }

    @Test func `times, folders, umasks and hidden files do not change the digest`() async throws {
        let files = Sample.files()
        let expected = try BundleBuilder.build(files).digest
        try await withTemporaryFolder { folder in
            let one = folder.appending(path: "one")
            let other = folder.appending(path: "deep/er/other")
            for (target, order) in [(one, files), (other, files.reversed())] { try Sample.write(order, to: target) }
            let manager = FileManager.default
            try manager.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 1_000_000), .posixPermissions: 0o600],
                ofItemAtPath: other.appending(path: "sql/orders.sql").path)
            try Data("x".utf8).write(to: other.appending(path: ".hidden"))
            try manager.createDirectory(at: other.appending(path: "empty"), withIntermediateDirectories: true)
            try Data("x".utf8).write(to: other.appending(path: "README.md"))
            // Another owner, where the tests may give files away.
            if getuid() == 0 {
                try manager.setAttributes([.ownerAccountID: 12345], ofItemAtPath: other.appending(path: "sql/orders.sql").path)
            }
            #expect(try BundleBuilder.build(BundleFolder(one)).digest == expected)
            #expect(try BundleBuilder.build(BundleFolder(other)).digest == expected)
        }
    }

    @Test func `any other byte, name or executable bit is another digest`() throws {
        let include = Sample.manifest("flows:", "include: [lib/]\nflows:")
        let base = Sample.files(include) + [Sample.file("lib/a.txt", "hello")]
        var digests: Set<String> = [try BundleBuilder.build(base).digest]
        func isNew(_ change: (inout [BundleFile]) -> Void) throws {
            var files = base
            change(&files)
            #expect(digests.insert(try BundleBuilder.build(files).digest).inserted)
        }
        for index in 0..<5 { try isNew { $0[2].contents[index] ^= 1 } }
        try isNew { $0[2].contents.append(0) }
        try isNew { $0[2].contents = Data() }
        try isNew { $0[2].isExecutable = true }
        try isNew { $0[2].path = "lib/b.txt" }
        try isNew { $0[1].contents.append(UInt8(ascii: "\n")) }
        try isNew { $0[0].contents.append(UInt8(ascii: "\n")) }
        try isNew { $0.append(Sample.file("lib/c.txt", "")) }
    }

    @Test func `a layer gives back the files that were packed`() throws {
        for seed in 0..<50 as Range<UInt64> {
            var generator = SeededNumbers(seed: seed)
            let count = Int.random(in: 0...20, using: &generator)
            let files = (0..<count).map { index in
                let folder =
                    String(repeating: "d", count: Int.random(in: 1...90, using: &generator)) + "/"
                    + String(repeating: "e", count: Int.random(in: 1...60, using: &generator))
                let size = [0, 1, 511, 512, 513, 5000].randomElement(using: &generator) ?? 0
                return BundleFile(
                    path: "\(folder)/f\(index)", isExecutable: Bool.random(using: &generator),
                    contents: Data((0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }))
            }
            let layers = try BundleArchive.pack(files.shuffled(using: &generator))
            #expect(layers.count == 1 && layers[0].count % 512 == 0, "seed \(seed)")
            let sorted = files.sorted { BundlePath.precedes($0.path, $1.path) }
            #expect(try BundleArchive.files(in: layers) == sorted, "seed \(seed)")
        }
    }

    @Test func `a file that changes, grows, comes or goes leaves most layers as they were`() throws {
        for seed in 0..<4 as Range<UInt64> {
            var generator = SeededNumbers(seed: seed)
            let files = (0..<1000).map { number in
                let size = Int.random(in: 0...40_000, using: &generator)
                return BundleFile(path: "f\(number)", contents: Data("\(number)".utf8) + Data(count: size))
            }
            let layers = try BundleArchive.pack(files)
            #expect(try BundleArchive.files(in: layers).count == files.count, "seed \(seed)")
            #expect(layers.count > 4 && layers.dropLast().allSatisfy { $0.count > 1 << 20 }, "seed \(seed)")
            #expect(layers.allSatisfy { $0.count < 9 << 20 }, "seed \(seed)")
            func sent(_ change: (inout [BundleFile], Int) -> Void) throws -> Int {
                var changed = files
                change(&changed, Int.random(in: 0..<files.count, using: &generator))
                return Set(try BundleArchive.pack(changed)).subtracting(layers).count
            }
            #expect(try sent { $0[$1].contents[0] ^= 1 } == 1, "seed \(seed)")
            #expect(try sent { $0[$1].contents += Data(count: 30_000) } <= 4, "seed \(seed)")
            #expect(try sent { $0.remove(at: $1) } <= 4, "seed \(seed)")
            #expect(try sent { $0.append(BundleFile(path: "f\($1)x", contents: Data(count: 30_000))) } <= 4, "seed \(seed)")
        }
    }

    @Test func `tar reads a layer`() async throws {
        try await withTemporaryFolder { folder in
            let long = String(repeating: "long", count: 20) + "/" + String(repeating: "name", count: 20)
            let files = [
                Sample.file("a.sh", "#!/bin/sh\n", isExecutable: true), Sample.file(long, "deep"),
                Sample.file("sql/x.sql", "SELECT 1"),
            ]
            let layer = folder.appending(path: "layer.tar")
            try BundleArchive.pack(files)[0].write(to: layer)
            let listing = try await run("tar", ["--list", "--verbose", "--numeric-owner", "--utc", "--file", layer.path])
            let lines = listing.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
            #expect(
                lines == [
                    "-rwxr-xr-x 0/0 10 1970-01-01 00:00 a.sh", "-rw-r--r-- 0/0 4 1970-01-01 00:00 \(long)",
                    "-rw-r--r-- 0/0 8 1970-01-01 00:00 sql/x.sql",
                ])
        }
    }
}
