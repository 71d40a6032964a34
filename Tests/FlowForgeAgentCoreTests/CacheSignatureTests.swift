import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

@Suite struct CacheSignatureTests {
    let trusted = SigningKey(.ed25519)
    let stranger = SigningKey(.ed25519)

    private func policy(_ keys: SigningKey..., required: Bool = true) -> SignaturePolicy {
        SignaturePolicy(
            keys: KeyRing(keys.enumerated().map { .init(name: "key\($0)", key: $1.verifying) }), isRequired: required)
    }

    private func signed(_ bundle: PackedBundle, by key: SigningKey) throws -> Attestation {
        try Attestation(
            Provenance(bundle: bundle.reference, source: nil, started: Date(), finished: Date()).statement,
            of: bundle.descriptor, signedWith: [key])
    }

    private func cache(_ folder: URL, _ plane: TestPlane, _ policy: SignaturePolicy) throws -> BundleCache {
        try BundleCache(folder: folder.appending(path: "cache"), controlPlane: plane, maxBytes: 1 << 30, signatures: policy)
    }

    @Test func `a bundle that nobody trusted has signed is not used, and none of it is unpacked`() async throws {
        try await withTemporaryFolder { folder in
            let bundle = try testBundle(in: folder)
            let plane = TestPlane()
            plane.serve(bundle)
            let cache = try cache(folder, plane, policy(trusted))
            func refused() async -> String {
                do {
                    _ = try await cache.with(bundle.digest) { _ in Issue.record("used") }
                    return ""
                } catch {
                    let error = AttemptRun.taskError(error)
                    #expect(error.code == "untrusted_bundle" && !error.retryable)
                    return error.message
                }
            }
            #expect(await refused().contains("is not signed"))
            plane.serve(try signed(bundle, by: stranger), of: bundle.digest)
            #expect(await refused().contains(stranger.verifying.id))
            // What was signed for another bundle, and is handed over as if for this one.
            let other = try testBundle("other", in: folder)
            plane.serve(try signed(other, by: trusted), of: bundle.digest)
            #expect(await refused().contains("not signed by a trusted key"))
            #expect(plane.state.withLock { state in !state.blobReads.contains { $0.digest == bundle.digest } })
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "cache/files").path).isEmpty)
            // The signature arrives: it is used.
            plane.serve(try signed(bundle, by: trusted), of: bundle.digest)
            try await cache.with(bundle.digest) { #expect($0.manifest == bundle.manifest) }
        }
    }

    @Test func `what is cached is verified again under other keys, and needs no control plane under the same`() async throws {
        try await withTemporaryFolder { folder in
            let bundle = try testBundle(in: folder)
            let plane = TestPlane()
            plane.serve(bundle)
            plane.serve(try signed(bundle, by: trusted), of: bundle.digest)
            try await cache(folder, plane, policy(trusted)).with(bundle.digest) { _ in }
            let reads = plane.state.withLock { $0.blobReads.count }
            // Another process, and a control plane that has forgotten everything.
            plane.state.withLock { $0.referrers = [:] }
            try await cache(folder, plane, policy(trusted)).with(bundle.digest) { _ in }
            #expect(plane.state.withLock { $0.blobReads.count } == reads)
            await #expect(throws: CacheError.self) {
                try await cache(folder, plane, policy(stranger)).with(bundle.digest) { _ in Issue.record("used") }
            }
            // The other key's signature is looked for.
            plane.serve(try signed(bundle, by: stranger), of: bundle.digest)
            try await cache(folder, plane, policy(stranger)).with(bundle.digest) { _ in }
            // What was kept is believed no more than what is fetched.
            let kept = folder.appending(path: "cache/signatures").appending(path: String(bundle.digest.dropFirst(7)))
            plane.state.withLock { $0.referrers = [:] }
            for forged in [
                Data("{}".utf8), Data("no JSON".utf8), Data(#"{"parts":[{"manifest":"e30=","envelope":"e30="}]}"#.utf8),
            ] {
                try forged.write(to: kept)
                await #expect(throws: CacheError.self) {
                    try await cache(folder, plane, policy(trusted)).with(bundle.digest) { _ in }
                }
            }
        }
    }

    @Test func `hostile referrers are passed over`() async throws {
        try await withTemporaryFolder { folder in
            let bundle = try testBundle(in: folder)
            let plane = TestPlane()
            plane.serve(bundle)
            func offer(_ digest: String, _ bytes: Data?, size: Int64 = 2) {
                plane.state.withLock { state in
                    state.blobs[digest] = bytes
                    state.referrers[bundle.digest, default: []].append(
                        OCIDescriptor(mediaType: MediaType.imageManifest, digest: digest, size: size))
                }
            }
            offer("../../etc/passwd", Data())
            offer(ContentDigest.of(Data("missing".utf8)), nil)
            offer(ContentDigest.of(Data("{}".utf8)), Data("{}".utf8))
            offer(ContentDigest.of(Data("large".utf8)), Data(count: 200 << 10))
            let good = try signed(bundle, by: trusted)
            offer(good.digest, good.manifestBytes)
            // Its envelope is missing too.
            let cache = try cache(folder, plane, policy(trusted))
            await #expect(throws: CacheError.self) { try await cache.with(bundle.digest) { _ in Issue.record("used") } }
            plane.serve(good, of: bundle.digest)
            try await cache.with(bundle.digest) { _ in }
        }
    }

    @Test func `where signatures are not required an unsigned bundle is used, and told`() async throws {
        try await withTemporaryFolder { folder in
            let bundle = try testBundle(in: folder)
            let plane = TestPlane()
            plane.serve(bundle)
            let told = Mutex<[String]>([])
            let cache = try BundleCache(
                folder: folder.appending(path: "cache"), controlPlane: plane, maxBytes: 1 << 30,
                signatures: policy(trusted, required: false), unsigned: { digest, _ in told.withLock { $0.append(digest) } })
            try await cache.with(bundle.digest) { _ in }
            #expect(told.withLock { $0 } == [bundle.digest])
        }
    }
}
