import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeReleases
import Foundation
import Logging
import Testing

struct BlobTests {
    let bytes = Data((0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
    var digest: String { ContentDigest.of(bytes) }

    @Test func `a blob is stored under its digest and found again`() async throws {
        let fixture = try ReleasesFixture()
        #expect(try !fixture.registry.hasBlob(digest))
        #expect(try await fixture.registry.putBlob(digest, from: Pieces(bytes)))
        #expect(try fixture.registry.hasBlob(digest))
        #expect(try fixture.registry.size(ofBlob: digest) == 50_000)
        #expect(try Data(contentsOf: fixture.registry.blob(digest)) == bytes)
        #expect(try fixture.uploads().isEmpty)
    }

    @Test func `an empty blob can be stored`() async throws {
        let fixture = try ReleasesFixture()
        let digest = ContentDigest.of(Data())
        #expect(try await fixture.registry.putBlob(digest, from: Pieces(Data())))
        #expect(try fixture.registry.size(ofBlob: digest) == 0)
    }

    @Test func `a blob that is there is not read again`() async throws {
        let fixture = try ReleasesFixture()
        _ = try await fixture.registry.putBlob(digest, from: Pieces(bytes))
        // A body that fails at once, if anybody asks.
        #expect(try await !fixture.registry.putBlob(digest, from: Pieces(Data(), failure: Pieces.Cut())))
    }

    @Test func `bytes of another digest are refused and removed`() async throws {
        let fixture = try ReleasesFixture()
        let other = ContentDigest.of(Data("other".utf8))
        let error = await refusal { try await fixture.registry.putBlob(other, from: Pieces(bytes)) }
        #expect(error?.code == .digestMismatch)
        #expect(error?.metadata == ["expected": other, "found": digest])
        #expect(try !fixture.registry.hasBlob(other))
        #expect(try !fixture.registry.hasBlob(digest))
        #expect(try fixture.uploads().isEmpty)
    }

    @Test func `an upload that ends early is refused and removed`() async throws {
        let fixture = try ReleasesFixture()
        let error = await refusal { try await fixture.registry.putBlob(digest, from: Pieces(bytes.dropLast())) }
        #expect(error?.code == .digestMismatch)
        #expect(try fixture.uploads().isEmpty)
        #expect(try !fixture.registry.hasBlob(digest))
    }

    @Test func `an upload whose connection breaks leaves nothing behind`() async throws {
        let fixture = try ReleasesFixture()
        await #expect(throws: Pieces.Cut.self) {
            try await fixture.registry.putBlob(digest, from: Pieces(bytes.dropLast(100), failure: Pieces.Cut()))
        }
        #expect(try fixture.uploads().isEmpty)
        #expect(try await fixture.registry.putBlob(digest, from: Pieces(bytes)))
    }

    @Test func `a blob above the limit is refused before it is whole`() async throws {
        let fixture = try ReleasesFixture()
        let error = await refusal { try await fixture.registry.putBlob(digest, from: Endless()) }
        #expect(error?.code == .tooLarge)
        #expect(try fixture.uploads().isEmpty)
    }

    @Test(arguments: [
        "", "sha256:", "sha256:../../../etc/passwd", "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256:" + String(repeating: "G", count: 64), "sha256:" + String(repeating: "A", count: 64),
        String(repeating: "0", count: 71),
    ])
    func `what is no digest is refused`(text: String) async throws {
        let fixture = try ReleasesFixture()
        for error in [
            await refusal { try fixture.registry.hasBlob(text) }, await refusal { try fixture.registry.blob(text) },
            await refusal { try await fixture.registry.putBlob(text, from: Pieces(bytes)) },
            await refusal { try await fixture.registry.push(digest: text, by: fixture.ann) },
        ] {
            #expect(error?.code == .invalidRequest)
            #expect(error?.message.hasPrefix("digest: ") == true)
        }
    }

    @Test func `what a crash left in uploads is removed when the registry opens`() async throws {
        let fixture = try ReleasesFixture()
        try bytes.write(to: fixture.registryFolder.appending(path: "uploads/left"))
        _ = try BundleRegistry(store: fixture.store, folder: fixture.registryFolder, logger: Logger(label: "test"))
        #expect(try fixture.uploads().isEmpty)
    }

    @Test func `the same blob may arrive many times at once`() async throws {
        let fixture = try ReleasesFixture()
        let (registry, digest, bytes) = (fixture.registry, digest, bytes)
        let created = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<BundleRegistry.mostUploads {
                group.addTask { try await registry.putBlob(digest, from: Pieces(bytes)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(created.contains(true))
        #expect(try Data(contentsOf: fixture.registry.blob(digest)) == bytes)
        #expect(try fixture.uploads().isEmpty)
    }

    @Test func `more uploads than allowed at once are told to come later`() async throws {
        let fixture = try ReleasesFixture()
        let registry = fixture.registry
        let (began, beginning) = AsyncStream<Void>.makeStream()
        let gates = (0..<BundleRegistry.mostUploads).map { _ in AsyncThrowingStream<Data, any Error>.makeStream() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, gate) in gates.enumerated() {
                let bytes = Data("blob \(index)".utf8)
                let body = gate.stream.map { (data: Data) -> Data in
                    beginning.yield()
                    return data
                }
                gate.continuation.yield(bytes)
                group.addTask { _ = try await registry.putBlob(ContentDigest.of(bytes), from: body) }
            }
            var starts = began.makeAsyncIterator()
            for _ in gates { await starts.next() }
            let error = await refusal { try await registry.putBlob(digest, from: Pieces(bytes)) }
            #expect(error?.code == .busy)
            for gate in gates { gate.continuation.finish() }
            try await group.waitForAll()
        }
        #expect(try await registry.putBlob(digest, from: Pieces(bytes)))
    }
}

/// A body that never ends.
private struct Endless: AsyncSequence, Sendable {
    let piece = Data(count: 8 << 20)

    func makeAsyncIterator() -> Iterator { Iterator(piece: piece) }

    struct Iterator: AsyncIteratorProtocol {
        let piece: Data
        mutating func next() async throws -> Data? { piece }
    }
}
