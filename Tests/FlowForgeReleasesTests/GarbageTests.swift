import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Logging
import Synchronization
import Testing

@testable import FlowForgeReleases

@Suite(.timeLimit(.minutes(2))) struct GarbageTests {
    private func collection(
        _ fixture: ReleasesFixture, _ retention: BundleRetention = BundleRetention(), keepers: [any BundleKeeper] = []
    ) -> GarbageCollection {
        GarbageCollection(
            store: fixture.store, registry: fixture.registry, retention: retention, keepers: keepers,
            logger: Logger(label: "test"))
    }

    /// Makes every blob older than what is garbage.
    private func age(_ fixture: ReleasesFixture) throws {
        for name in try blobs(fixture) {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -2 * 86_400)],
                ofItemAtPath: fixture.registryFolder.appending(path: "blobs/sha256/\(name)").path)
        }
    }

    private func blobs(_ fixture: ReleasesFixture) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: fixture.registryFolder.appending(path: "blobs/sha256").path)
    }

    private func isWhole(_ bundle: PackedBundle, _ fixture: ReleasesFixture) throws -> Bool {
        let layout = try OCILayout(opening: fixture.registryFolder)
        return (try? PackedBundle.read(digest: bundle.digest, from: layout)) == bundle
    }

    @Test func `layers that a kept version shares with one that goes stay`() async throws {
        let fixture = try ReleasesFixture()
        let more = (1...2).map { (name: "large-\($0)", contents: Data(repeating: $0, count: 8 << 20)) }
        let versions = try ["1.0.0", "1.0.1"].map { try fixture.pack(version: $0, more: more) }
        for bundle in versions { try await fixture.push(bundle) }
        try age(fixture)
        let done = try await collection(fixture, BundleRetention(keepVersions: 1)).collect(dryRun: false, by: fixture.ann)
        #expect(done.bundles.map(\.version) == ["1.0.0"] && done.blobs == 3)
        #expect(try versions.map { try isWhole($0, fixture) } == [false, true])
    }

    @Test func `what is beyond the kept versions goes, its name stays taken, and the same files bring it back`() async throws {
        let fixture = try ReleasesFixture()
        let versions = try (0..<4).map { try fixture.pack(version: "1.\($0).0", query: "SELECT \($0) AS n") }
        for bundle in versions { try await fixture.push(bundle) }
        try age(fixture)
        let garbage = collection(fixture, BundleRetention(keepVersions: 2))
        let dry = try await garbage.collect(dryRun: true, by: fixture.ann)
        #expect(dry.bundles.map(\.version) == ["1.0.0", "1.1.0"] && dry.blobs == 6)
        #expect(try versions.allSatisfy { try isWhole($0, fixture) }, "a dry run removes nothing")
        let done = try await garbage.collect(dryRun: false, by: fixture.ann)
        #expect(done.bundles == dry.bundles && done.blobs == dry.blobs && done.bytes == dry.bytes)
        #expect(try versions.map { try isWhole($0, fixture) } == [false, false, true, true])
        #expect(try blobs(fixture).count == 6)
        #expect(Set(try fixture.index().manifests.map(\.digest)) == Set(versions[2...].map(\.digest)))
        #expect(try await fixture.registry.list().items.map(\.bundle.version) == ["1.3.0", "1.2.0"])
        #expect(try await fixture.audit("bundle.remove").map(\.subject).sorted() == ["demo@1.0.0", "demo@1.1.0"])
        #expect(await refusal { try await fixture.registry.show("demo@1.0.0") }?.code == .notFound)
        try await fixture.createEnvironment()
        #expect(await refusal { try await fixture.deploy("demo@1.0.0") }?.code == .notFound)
        // Immutable to the end: other content under that version is refused, the same is taken.
        let other = try fixture.pack(version: "1.0.0", query: "SELECT 'other' AS n")
        #expect(await refusal { try await fixture.push(other) }?.code == .conflict)
        #expect(try await fixture.push(versions[0]).created)
        #expect(try isWhole(versions[0], fixture))
        #expect(try await garbage.collect(dryRun: false, by: fixture.ann).bundles.map(\.version) == ["1.0.0"])
    }

    @Test func `what is released, may be rolled back to, runs or is named by a keeper stays`() async throws {
        struct Keeper: BundleKeeper {
            let digest: String
            func keptBundles(in session: Session) throws -> Set<String> { [digest] }
        }
        let fixture = try ReleasesFixture()
        let versions = try (0..<7).map { try fixture.pack(version: "1.\($0).0", query: "SELECT \($0) AS n") }
        for bundle in versions { try await fixture.push(bundle) }
        try await fixture.createEnvironment()
        for version in 0..<4 { _ = try await fixture.deploy("demo@1.\(version).0") }
        try age(fixture)
        let garbage = collection(
            fixture, BundleRetention(keepVersions: 1, rollbackWindow: 2), keepers: [Keeper(digest: versions[5].digest)])
        let gone = try await garbage.collect(dryRun: false, by: fixture.ann)
        // 2 and 3 are within the window, 5 is named, 6 is the newest.
        #expect(gone.bundles.map(\.version) == ["1.0.0", "1.1.0", "1.4.0"])
        #expect(try versions.map { try isWhole($0, fixture) } == [false, false, true, true, false, true, true])
        // The history of releases names what went.
        let history = try await fixture.deployments.list(environment: "dev")
        #expect(history.items.map(\.bundle.version) == ["1.3.0", "1.2.0", "1.1.0", "1.0.0"])
    }

    @Test func `without retention settings no bundle goes, and old blobs of nothing do`() async throws {
        let fixture = try ReleasesFixture()
        let (kept, unfinished) = (try fixture.pack(), try fixture.pack("half", output: "bronze.h"))
        try await fixture.push(kept)
        for blob in unfinished.blobs.prefix(2) {
            _ = try await fixture.registry.putBlob(blob.descriptor.digest, from: Pieces(blob.bytes))
        }
        let garbage = collection(fixture)
        #expect(try await garbage.collect(dryRun: false, by: fixture.ann).blobs == 0, "an upload may go on for a day")
        try age(fixture)
        // Whoever asks for a blob before a push finds it again afterwards.
        #expect(fixture.registry.renew([unfinished.blobs[0].descriptor.digest]))
        #expect(try await garbage.collect(dryRun: false, by: fixture.ann).blobs == 1)
        #expect(try fixture.registry.hasBlob(unfinished.blobs[0].descriptor.digest))
        #expect(try isWhole(kept, fixture))
    }

    @Test func `signatures stay with their bundle, and go with it`() async throws {
        let fixture = try ReleasesFixture()
        let (first, second) = (try fixture.pack(), try fixture.pack(version: "2.0.0", query: "SELECT 2 AS n"))
        let key = SigningKey(.ed25519)
        for bundle in [first, second] {
            try await fixture.push(bundle)
            let signer = EvidenceSigner(key: key, registry: fixture.registry)
            try await signer.attest(bundle.digest, predicateType: "https://example.com/x", predicate: [:], by: fixture.ann)
        }
        try age(fixture)
        let gone = try await collection(fixture, BundleRetention(keepVersions: 1)).collect(dryRun: false, by: fixture.ann)
        #expect(gone.bundles.map(\.version) == ["1.0.0"] && gone.blobs == 5)
        let left = try await fixture.registry.attestations(of: second.digest)
        #expect(left.count == 1 && (try? left[0].get()) != nil)
        #expect(await refusal { try await fixture.registry.referrers(of: first.digest) }?.code == .notFound)
        #expect(try fixture.index().manifests.count == 2)
    }

    @Test func `no blob goes while it is not known which are needed, nor while a backup is made`() async throws {
        let fixture = try ReleasesFixture()
        let (damaged, other) = (try fixture.pack(), try fixture.pack("other", output: "bronze.o"))
        try await fixture.push(damaged)
        try await fixture.upload(other)
        try Data("x".utf8).write(to: fixture.blobFile(damaged.digest))
        try age(fixture)
        let garbage = collection(fixture)
        let before = try blobs(fixture).count
        let error = await refusal { try await garbage.collect(dryRun: false, by: fixture.ann) }
        #expect(error?.code == .storageDamaged && error?.message.contains(damaged.digest) == true)
        #expect(try blobs(fixture).count == before)
        let busy = await refusal {
            try await fixture.registry.holdingBlobs { try await garbage.collect(dryRun: false, by: fixture.ann) }
        }
        #expect(busy?.code == .busy)
    }

    @Test func `after any history what is kept can be read whole`() async throws {
        for seed in 0..<12 as Range<UInt64> {
            var chance = SeededNumbers(seed: seed)
            let fixture = try ReleasesFixture()
            for name in ["dev", "prod"] { try await fixture.createEnvironment(name) }
            let key = SigningKey(.ed25519)
            var bundles: [PackedBundle] = []
            for step in 0..<25 {
                switch Int.random(in: 0..<8, using: &chance) {
                case 0...2:
                    // Versions of few contents, so that bundles share blobs.
                    let bundle = try fixture.pack(
                        version: "1.\(step).0", query: "SELECT \(Int.random(in: 0..<3, using: &chance)) AS n")
                    try await fixture.push(bundle)
                    bundles.append(bundle)
                case 3:
                    guard let bundle = bundles.randomElement(using: &chance) else { continue }
                    try await fixture.push(bundle)
                case 4:
                    guard let bundle = bundles.randomElement(using: &chance) else { continue }
                    let environment = Bool.random(using: &chance) ? "dev" : "prod"
                    _ = await refusal { try await fixture.deploy(bundle.digest, to: environment) }
                case 5:
                    guard let bundle = bundles.randomElement(using: &chance) else { continue }
                    let version = bundle.manifest.version
                    _ = await refusal {
                        try await fixture.registry.yank("demo", version: version, reason: "why", by: fixture.ann)
                    }
                case 6:
                    guard let bundle = bundles.randomElement(using: &chance) else { continue }
                    let signer = EvidenceSigner(key: key, registry: fixture.registry)
                    _ = await refusal {
                        try await signer.attest(
                            bundle.digest, predicateType: "https://example.com/x", predicate: .integer(Int64(step)),
                            by: fixture.ann)
                    }
                default:
                    try age(fixture)
                    let retention = BundleRetention(
                        keepVersions: Int.random(in: 1...4, using: &chance), rollbackWindow: Int.random(in: 1...3, using: &chance)
                    )
                    let before = try await needed(fixture, window: retention.rollbackWindow)
                    _ = try await collection(fixture, retention).collect(dryRun: false, by: fixture.ann)
                    for digest in before {
                        #expect(try await fixture.registry.show(digest).bundle.digest == digest, "seed \(seed), step \(step)")
                    }
                }
                let listed = Set(try await fixture.registry.list(limit: 100).items.map(\.bundle.digest))
                for bundle in bundles where listed.contains(bundle.digest) {
                    #expect(try isWhole(bundle, fixture), "seed \(seed), step \(step)")
                    for attestation in try await fixture.registry.attestations(of: bundle.digest) {
                        #expect((try? attestation.get()) != nil, "seed \(seed), step \(step)")
                    }
                }
            }
        }
    }

    /// What must not go, said in another way than the query does.
    private func needed(_ fixture: ReleasesFixture, window: Int) async throws -> Set<String> {
        var needed: Set<String> = []
        for environment in ["dev", "prod"] {
            let releases = try await fixture.deployments.list(environment: environment, limit: 100).items
            needed.formUnion(releases.prefix(window).map(\.bundle.digest))
            needed.formUnion(releases.filter(\.current).map(\.bundle.digest))
        }
        // A window that was narrower before has let some go.
        let present = Set(try await fixture.registry.list(limit: 100).items.map(\.bundle.digest))
        return needed.intersection(present)
    }

    @Test func `a push that goes on while garbage is collected keeps its blobs`() async throws {
        let fixture = try ReleasesFixture()
        let bundles = try (0..<8).map { try fixture.pack("demo-\($0)", output: "bronze.t\($0)") }
        for bundle in bundles { try await fixture.upload(bundle) }
        let garbage = collection(fixture)
        let goesOn = Flag()
        for _ in 0..<5 {
            // Blobs of an earlier try, long ago: garbage to who does not know that they are about to be used.
            try age(fixture)
            goesOn.isOn.withLock { $0 = true }
            async let collecting: Void = Self.collect(garbage, fixture, while: goesOn)
            try await withThrowingTaskGroup(of: Void.self) { pushes in
                for bundle in bundles { pushes.addTask { _ = try await fixture.push(bundle) } }
                try await pushes.waitForAll()
            }
            goesOn.isOn.withLock { $0 = false }
            try await collecting
            for bundle in bundles { #expect(try isWhole(bundle, fixture)) }
            #expect(Set(try fixture.index().manifests.map(\.digest)) == Set(bundles.map(\.digest)))
            // Forgotten again, so that the next round begins with blobs of nothing.
            let all = collection(fixture, BundleRetention(keepAge: .seconds(0)))
            _ = try await all.collect(dryRun: false, by: fixture.ann)
        }
    }
}

private final class Flag: Sendable {
    let isOn = Mutex(true)
}

extension GarbageTests {
    private static func collect(_ garbage: GarbageCollection, _ fixture: ReleasesFixture, while flag: Flag) async throws {
        while flag.isOn.withLock({ $0 }) { _ = try await garbage.collect(dryRun: false, by: fixture.ann) }
    }
}
