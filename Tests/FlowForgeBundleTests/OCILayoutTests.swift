import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

struct OCILayoutTests {
    @Test func `a bundle that is written to a layout is read back the same`() async throws {
        try await withTemporaryFolder { folder in
            let packed = try BundleBuilder.build(Sample.files())
            let layout = try OCILayout(creating: folder.appending(path: "layout"))
            try packed.write(to: layout)
            try packed.write(to: OCILayout(creating: layout.folder))
            let read = try PackedBundle.read(digest: packed.digest, from: OCILayout(opening: layout.folder))
            #expect(read == packed)
            let index = try layout.readIndex()
            #expect(index.manifests.count == 1)
            #expect(index.manifests[0].annotations == [OCIIndex.referenceKey: "sample:1.0.0"])
            let left = try FileManager.default.subpathsOfDirectory(atPath: layout.folder.path)
            #expect(!left.contains { $0.contains("partial") })
        }
    }

    static let skopeo = "/usr/bin/skopeo"

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: skopeo), "needs skopeo (apt-get install skopeo)"))
    func `skopeo reads the layout and copies the bundle without changing its digest`() async throws {
        try await withTemporaryFolder { folder in
            let packed = try BundleBuilder.build(Sample.files(3, of: 5 << 20))
            #expect(packed.layers.count > 1)
            try packed.write(to: OCILayout(creating: folder.appending(path: "layout")))
            let source = "oci:\(folder.path)/layout:sample:1.0.0"
            let raw = try await run(Self.skopeo, ["inspect", "--raw", source])
            #expect(Data(raw.utf8) == packed.ociManifestBytes)
            _ = try await run(Self.skopeo, ["--insecure-policy", "copy", "--quiet", source, "oci:\(folder.path)/copy:x"])
            let copy = try OCILayout(opening: folder.appending(path: "copy"))
            #expect(try PackedBundle.read(digest: packed.digest, from: copy) == packed)
        }
    }

    @Test func `a name moves to the bundle that was named last, others stay`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try OCILayout(creating: folder)
            let first = try BundleBuilder.build(Sample.files())
            let changed = try BundleBuilder.build(Sample.files(Sample.manifest + "# changed\n"))
            let next = try BundleBuilder.build(Sample.files(Sample.manifest("version: 1.0.0", "version: 1.1.0")))
            for bundle in [first, next, changed] { try bundle.write(to: layout) }
            let index = try layout.readIndex()
            #expect(Set(index.manifests.map(\.digest)) == [changed.digest, next.digest])
        }
    }

    @Test func `a folder that is no layout, or one of another version, is refused`() async throws {
        try await withTemporaryFolder { folder in
            #expect(throws: BundleRefusal.self) { try OCILayout(opening: folder) }
            try Data(#"{"imageLayoutVersion":"2.0.0"}"#.utf8).write(to: folder.appending(path: "oci-layout"))
            #expect(throws: BundleRefusal.self) { try OCILayout(opening: folder) }
            #expect(throws: BundleRefusal.self) { try OCILayout(creating: folder) }
        }
    }

    @Test func `damaged, missing and exchanged blobs are refused`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try OCILayout(creating: folder)
            let packed = try BundleBuilder.build(Sample.files())
            try packed.write(to: layout)
            func reason() -> BundleRefusal.Reason? {
                let accepted = Result { () throws(BundleRefusal) in
                    try PackedBundle.accepted(digest: packed.digest, from: layout)
                }
                do {
                    let read = try PackedBundle.read(digest: packed.digest, from: layout)
                    #expect(read == packed && (try? accepted.get()) == packed)
                    return nil
                } catch {
                    let reason = error.reason
                    #expect(throws: BundleRefusal.self) { try accepted.get() }
                    return reason
                }
            }
            #expect(reason() == nil)
            for blob in packed.blobs {
                let file = try #require(layout.file(of: blob.descriptor.digest))
                var bytes = blob.bytes
                bytes[bytes.count / 2] ^= 1
                try bytes.write(to: file)
                #expect(reason() == .digestMismatch)
                try blob.bytes.dropLast().write(to: file)
                #expect(reason() == .digestMismatch)
                try layout.write(blob.bytes)
                #expect(reason() == nil)
                try FileManager.default.removeItem(at: file)
                #expect(reason() == .missingBlob)
                let upload = folder.appending(path: "upload")
                try blob.bytes.write(to: upload)
                try layout.adopt(upload, digest: blob.descriptor.digest)
                #expect(!FileManager.default.fileExists(atPath: upload.path))
                #expect(reason() == nil)
            }
        }
    }

    @Test func `digests that are none name no file`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try OCILayout(creating: folder)
            let hex = String(repeating: "a", count: 64)
            for digest in [
                "", "sha256:", "sha256:../../x", "sha256:" + hex + "/../x", "SHA256:" + hex, "sha512:" + hex,
                "sha256:" + hex.uppercased(), hex, "sha256:" + hex + "\n",
            ] {
                #expect(layout.file(of: digest) == nil, "\(digest)")
                #expect(throws: BundleRefusal.self) { try layout.adopt(folder.appending(path: "x"), digest: digest) }
            }
        }
    }

    /// A manifest whose parts are all there and right by themselves, but tell another story.
    @Test func `a config that is not what the files say is refused`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try OCILayout(creating: folder)
            let packed = try BundleBuilder.build(Sample.files())
            var lie = packed.manifest
            lie.flows[0].tasks[1].sql = "../../etc/passwd"
            let config = try WireCoding.encode(lie)
            var head = packed.ociManifest
            head.config = OCIDescriptor(mediaType: MediaType.config, digest: try layout.write(config), size: Int64(config.count))
            try layout.write(packed.layers[0])
            let digest = try layout.write(try WireCoding.encode(head))
            #expect(throws: BundleRefusal.self) { try PackedBundle.read(digest: digest, from: layout) }
        }
    }

    @Test func `a bundle whose layers end elsewhere, or are in another order, is refused`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try OCILayout(creating: folder)
            let packed = try BundleBuilder.build(Sample.files(3, of: 5 << 20))
            try packed.write(to: layout)
            #expect(try PackedBundle.read(digest: packed.digest, from: layout) == packed)
            #expect(try PackedBundle.accepted(digest: packed.digest, from: layout) == packed)
            func message(_ layers: [OCIDescriptor]) throws -> String? {
                var head = packed.ociManifest
                head.layers = layers
                let digest = try layout.write(try WireCoding.encode(head))
                do {
                    _ = try PackedBundle.read(digest: digest, from: layout)
                    return nil
                } catch { return error.message }
            }
            let layers = packed.ociManifest.layers
            try #require(layers.count > 1)
            let joined = packed.layers.reduce(Data()) { $0 + $1.dropLast(1024) } + Data(count: 1024)
            let one = OCIDescriptor(mediaType: MediaType.files, digest: try layout.write(joined), size: Int64(joined.count))
            #expect(try message([one])?.contains("layers are not what its files make") == true)
            #expect(try message(layers.reversed())?.contains("out of order") == true)
            #expect(try message([layers[0]] + layers)?.contains("twice") == true)
            #expect(try message(Array(layers.dropFirst()))?.contains("does not validate") == true)
        }
    }

    @Test func `a manifest of the most layers is not too large`() throws {
        var head = try BundleBuilder.build(Sample.files()).ociManifest
        head.layers[0].size = Int64(BundleLimits.fileBytes)
        head.layers = Array(repeating: head.layers[0], count: BundleLimits.layers)
        #expect(try WireCoding.encode(head).count <= BundleLimits.ociManifestBytes - 1000)
    }

    @Test func `manifests of other artifacts are refused with what they are`() throws {
        let packed = try BundleBuilder.build(Sample.files())
        func message(_ change: (inout OCIManifest) -> Void) throws -> String {
            var head = packed.ociManifest
            change(&head)
            let bytes = try WireCoding.encode(head)
            do {
                _ = try PackedBundle.readOCIManifest(bytes, digest: ContentDigest.of(bytes))
                return ""
            } catch { return error.message }
        }
        #expect(try message { _ in } == "")
        #expect(try message { $0.artifactType = "application/vnd.cncf.helm" }.contains("helm"))
        #expect(try message { $0.layers = [] }.contains("0 layers"))
        #expect(try message { $0.layers = Array(repeating: $0.layers[0], count: BundleLimits.layers + 1) }.contains("258 layers"))
        #expect(try message { $0.layers.append($0.config) }.contains("config"))
        #expect(try message { $0.layers[0].mediaType = "application/gzip" }.contains("gzip"))
        #expect(try message { $0.config.mediaType = "x" }.contains("config"))
        #expect(try message { $0.layers[0].size = 1 << 40 }.contains("at most"))
        #expect(
            try message {
                $0.layers[0].size = 200 << 20
                $0.layers.append($0.layers[0])
            }.contains("allowed"))
        #expect(try message { $0.layers[0].size = -1 }.contains("negative"))
        #expect(try message { $0.layers[0].digest = "sha256:../x" }.contains("digest"))
        #expect(throws: BundleRefusal.self) {
            try PackedBundle.readOCIManifest(Data("{}".utf8), digest: ContentDigest.of(Data("{}".utf8)))
        }
        #expect(throws: BundleRefusal.self) {
            try PackedBundle.readOCIManifest(packed.ociManifestBytes, digest: packed.ociManifest.config.digest)
        }
    }

    @Test func `unpacking is whole or nothing, and read-only`() async throws {
        try await withTemporaryFolder { folder in
            let files =
                Sample.files(Sample.manifest("flows:", "include: [bin/]\nflows:")) + [
                    Sample.file("bin/x", "#!/bin/sh\n", isExecutable: true)
                ]
            let packed = try BundleBuilder.build(files)
            let layer = folder.appending(path: "layer")
            try packed.layers[0].write(to: layer)
            let layers = [(layer, packed.ociManifest.layers[0])]
            let target = folder.appending(path: "cache/bundle")
            try BundleArchive.unpack(layers, into: target)
            try BundleArchive.unpack(layers, into: target)
            #expect(try Data(contentsOf: target.appending(path: "sql/orders.sql")) == Data(Sample.sql.utf8))
            func mode(_ path: String) throws -> Int? {
                try FileManager.default.attributesOfItem(atPath: target.appending(path: path).path)[.posixPermissions] as? Int
            }
            #expect(try mode("bin/x") == 0o555)
            #expect(try mode("sql/orders.sql") == 0o444)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "cache").path) == ["bundle"])

            try packed.layers[0].dropLast(512).write(to: layer)
            let other = folder.appending(path: "cache/other")
            #expect(throws: BundleRefusal.self) { try BundleArchive.unpack(layers, into: other) }
            #expect(!FileManager.default.fileExists(atPath: other.path))
        }
    }

    @Test func `a failed unpacking leaves nothing behind`() async throws {
        try await withTemporaryFolder { folder in
            // A file stands where a folder is needed, half way through.
            let files = [Sample.file("a", "1"), Sample.file("b", "2"), Sample.file("b/c", "3")]
            #expect(throws: BundleRefusal.self) { try BundleArchive.unpack(files, into: folder.appending(path: "x")) }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(left == [])
        }
    }
}
