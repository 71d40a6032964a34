import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import Foundation
import Testing

struct PushTests {
    @Test func `a pushed bundle is listed, shown with its flows, named in the layout and audited`() async throws {
        let fixture = try ReleasesFixture()
        let bundle = try fixture.pack()
        let (view, created) = try await fixture.push(bundle)
        #expect(created)
        #expect(view.bundle == bundle.reference)
        #expect(view.bytes == bundle.blobs.reduce(0) { $0 + $1.descriptor.size })
        #expect(view.pushedBy == "principal:ann")

        let page = try await fixture.registry.list()
        #expect(page.items.map(\.bundle) == [bundle.reference])
        #expect(page.items[0].flows == nil && page.next == nil)

        for text in [
            "demo@1.0.0", bundle.digest, String(bundle.digest.prefix(19)), String(bundle.digest.dropFirst(7).prefix(12)),
        ] {
            let shown = try await fixture.registry.show(text)
            #expect(shown.bundle == bundle.reference)
            #expect(shown.flows?.map(\.name) == ["main"])
            #expect(shown.flows?[0].tasks.map(\.output) == [AssetName("bronze.t")])
        }
        let index = try fixture.index()
        #expect(index.manifests.map(\.digest) == [bundle.digest])
        #expect(index.manifests[0].annotations == [OCIIndex.referenceKey: "demo:1.0.0"])
        let entry = try await fixture.audit("bundle.push")
        #expect(entry.map(\.subject) == ["demo@1.0.0"])
        let digest = bundle.digest
        #expect(try await fixture.store.read { try $0.bundles.manifest(digest: digest) } == bundle.manifest)
    }

    @Test func `pushing again changes nothing`() async throws {
        let fixture = try ReleasesFixture()
        let bundle = try fixture.pack()
        try await fixture.push(bundle)
        #expect(try await !fixture.push(bundle).created)
        #expect(try fixture.index().manifests.count == 1)
        #expect(try await fixture.audit("bundle.push").count == 1)
    }

    @Test func `a name that a crash kept out of the index is added by the next push`() async throws {
        let fixture = try ReleasesFixture()
        let bundle = try fixture.pack()
        try await fixture.push(bundle)
        try WireCoding.encode(OCIIndex()).write(to: fixture.registryFolder.appending(path: "index.json"))
        #expect(try await !fixture.push(bundle).created)
        #expect(try fixture.index().manifests.map(\.digest) == [bundle.digest])
    }

    @Test(arguments: 0..<3)
    func `a push without one of its blobs names what is missing`(left: Int) async throws {
        let fixture = try ReleasesFixture()
        let bundle = try fixture.pack()
        try await fixture.upload(bundle)
        let missing = bundle.blobs[left].descriptor.digest
        try FileManager.default.removeItem(at: fixture.blobFile(missing))
        let error = await refusal { try await fixture.registry.push(digest: bundle.digest, by: fixture.ann) }
        #expect(error?.code == .notFound)
        #expect(error?.message.contains(missing) == true)
        #expect(try await fixture.registry.list().items.isEmpty)
    }

    @Test func `the same version with other content is a conflict`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.push(try fixture.pack())
        let other = try fixture.pack(query: "SELECT 2 AS n")
        let error = await refusal { try await fixture.push(other) }
        #expect(error?.code == .conflict)
        #expect(error?.hint?.contains("version") == true)
        #expect(try await fixture.registry.list().items.count == 1)
        #expect(try fixture.index().manifests.count == 1)
        #expect(try await fixture.push(fixture.pack(version: "1.0.1", query: "SELECT 2 AS n")).created)
    }

    @Test func `two pushes of one bundle at once record it once`() async throws {
        let fixture = try ReleasesFixture()
        let bundle = try fixture.pack()
        try await fixture.upload(bundle)
        let (registry, ann) = (fixture.registry, fixture.ann)
        let created = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { try await registry.push(digest: bundle.digest, by: ann).created } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(created.count { $0 } == 1)
        #expect(try fixture.index().manifests.count == 1)
        #expect(try await fixture.audit("bundle.push").count == 1)
    }

    @Test func `many bundles pushed at once are all in the index`() async throws {
        let fixture = try ReleasesFixture()
        let bundles = try (0..<10).map { try fixture.pack("demo-\($0)") }
        for bundle in bundles { try await fixture.upload(bundle) }
        let (registry, ann) = (fixture.registry, fixture.ann)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for bundle in bundles { group.addTask { _ = try await registry.push(digest: bundle.digest, by: ann) } }
            try await group.waitForAll()
        }
        #expect(Set(try fixture.index().manifests.map(\.digest)) == Set(bundles.map(\.digest)))
    }

    @Test func `an image that is no bundle is refused`() async throws {
        let fixture = try ReleasesFixture()
        let bundle = try fixture.pack()
        try await fixture.upload(bundle)
        func refusedWith(_ change: (inout OCIManifest) -> Void) async throws -> APIError? {
            var head = bundle.ociManifest
            change(&head)
            let bytes = try WireCoding.encode(head)
            let digest = ContentDigest.of(bytes)
            _ = try await fixture.registry.putBlob(digest, from: Pieces(bytes))
            return await refusal { try await fixture.registry.push(digest: digest, by: fixture.ann) }
        }
        let image = "application/vnd.oci.image.config.v1+json"
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip"
        #expect(try await refusedWith { $0.config.mediaType = image }?.code == .invalidBundle)
        #expect(try await refusedWith { $0.layers[0].mediaType = layer }?.code == .invalidBundle)
        #expect(try await refusedWith { $0.artifactType = image }?.code == .invalidBundle)
        #expect(try await refusedWith { $0.layers += $0.layers }?.code == .invalidBundle)
        #expect(try await refusedWith { $0.layers[0].size += 1 }?.code == .invalidBundle)
        #expect(try await refusedWith { $0.config = $0.layers[0] }?.code == .invalidBundle)
        let text = Data("no JSON".utf8)
        _ = try await fixture.registry.putBlob(ContentDigest.of(text), from: Pieces(text))
        let error = await refusal { try await fixture.registry.push(digest: ContentDigest.of(text), by: fixture.ann) }
        #expect(error?.code == .invalidBundle)
        #expect(try await fixture.registry.list().items.isEmpty)
    }

    @Test(arguments: [false, true])
    func `a blob that was damaged on disk is set aside, and the next push repairs it`(isRecorded: Bool) async throws {
        let fixture = try ReleasesFixture()
        let bundle = try fixture.pack()
        if isRecorded { try await fixture.push(bundle) } else { try await fixture.upload(bundle) }
        let layer = bundle.ociManifest.layers[0].digest
        var bytes = bundle.layers[0]
        if isRecorded { bytes.append(0) } else { bytes[600] ^= 1 }
        try bytes.write(to: fixture.blobFile(layer))
        let error = await refusal { try await fixture.registry.push(digest: bundle.digest, by: fixture.ann) }
        #expect(error?.code == .notFound)
        #expect(error?.message.contains(layer) == true)
        let kept = try FileManager.default.contentsOfDirectory(
            atPath: fixture.registryFolder.appending(path: "damaged").path)
        #expect(kept.count == 1)
        #expect(try await fixture.push(bundle).created == !isRecorded)
        #expect(try Data(contentsOf: fixture.blobFile(layer)) == bundle.layers[0])
    }

    @Test func `a version that changes one of many files is sent without the layers of the others`() async throws {
        let fixture = try ReleasesFixture()
        let more = (1...4).map { (name: "large-\($0)", contents: Data(repeating: $0, count: 8 << 20)) }
        let former = try fixture.pack(more: more)
        try await fixture.push(former)
        let next = try fixture.pack(version: "1.0.1", more: more.dropLast() + [("large-4", Data(repeating: 5, count: 8 << 20))])
        var sent: [String] = []
        for blob in next.blobs where try await fixture.registry.putBlob(blob.descriptor.digest, from: Pieces(blob.bytes)) {
            sent.append(blob.descriptor.digest)
        }
        let layers = next.ociManifest.layers.map(\.digest)
        #expect(layers.count == 5)
        // The first has flowforge.yaml.
        #expect(sent == [layers[0], layers[3], next.ociManifest.config.digest, next.digest])
        #expect(try await fixture.registry.push(digest: next.digest, by: fixture.ann).created)
    }

    @Test func `lists are paged from the newest on`() async throws {
        let fixture = try ReleasesFixture()
        for number in 0..<5 { try await fixture.push(try fixture.pack(version: "1.0.\(number)")) }
        var versions: [String] = []
        var after: String?
        repeat {
            let page = try await fixture.registry.list(after: after, limit: 2)
            versions += page.items.map(\.bundle.version)
            after = page.next
        } while after != nil
        #expect(versions == ["1.0.4", "1.0.3", "1.0.2", "1.0.1", "1.0.0"])
        #expect(await refusal { try await fixture.registry.list(after: "nonsense") }?.code == .invalidRequest)
    }

    @Test(arguments: ["demo", "@1.0.0", "demo@", "Demo@1", "0123456789a", "sha256:0123", "demo@1@@", "'; DROP TABLE bundle"])
    func `a reference that is none, or of nothing, is refused`(text: String) async throws {
        let fixture = try ReleasesFixture()
        let code = await refusal { try await fixture.registry.show(text) }?.code
        #expect(code == (text == "demo@1@@" ? .notFound : .invalidRequest))
    }
}
