import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

struct AttestationTests {
    static func provenance(_ packed: PackedBundle) -> InTotoStatement {
        Provenance(bundle: packed.reference, source: nil, started: Date(), finished: Date()).statement
    }

    static func policy(_ keys: SigningKey...) -> SignaturePolicy {
        SignaturePolicy(
            keys: KeyRing(keys.enumerated().map { .init(name: "key\($0)", key: $1.verifying) }), isRequired: true)
    }

    @Test func `a signature in a layout is found, verified and listed beside its bundle`() async throws {
        try await withTemporaryFolder { folder in
            let packed = try BundleBuilder.build(Sample.files())
            let other = try BundleBuilder.build(Sample.files(Sample.manifest("version: 1.0.0", "version: 1.1.0")))
            let layout = try OCILayout(creating: folder)
            try packed.write(to: layout)
            try other.write(to: layout)
            let (key, second) = (SigningKey(.ed25519), SigningKey(.p256))
            for signer in [key, second] {
                try layout.write(try Attestation(Self.provenance(packed), of: packed.descriptor, signedWith: [signer]))
            }
            let found = try layout.attestations(of: packed.digest)
            #expect(found.count == 2)
            #expect(try Self.policy(key, second).signers(of: packed.digest, among: found).count == 2)
            #expect(try layout.attestations(of: other.digest).isEmpty)
            #expect(try layout.bundles().map(\.reference) == ["sample:1.0.0", "sample:1.1.0"])
            let listed = try #require(try layout.readIndex().manifests.last)
            #expect(listed.artifactType == "application/vnd.in-toto+json")
            #expect(listed.annotations?["in-toto.io/predicate-type"] == "https://slsa.dev/provenance/v1")
            #expect(listed.annotations?[OCIIndex.referenceKey]?.hasPrefix("sha256-\(packed.digest.dropFirst(7)).att-") == true)
        }
    }

    @Test func `who is not trusted, who says something else, or of another bundle, signs nothing`() throws {
        let packed = try BundleBuilder.build(Sample.files())
        let other = try BundleBuilder.build(Sample.files(Sample.manifest("version: 1.0.0", "version: 1.1.0")))
        let (key, stranger) = (SigningKey(.ed25519), SigningKey(.ed25519))
        let policy = Self.policy(key)
        func reason(_ attestations: [Attestation], of digest: String) -> SignatureRefusal.Reason? {
            do {
                _ = try policy.signers(of: digest, among: attestations.map { .success($0) })
                return nil
            } catch { return error.reason }
        }
        let good = try Attestation(Self.provenance(packed), of: packed.descriptor, signedWith: [key])
        let bad = try Attestation(Self.provenance(packed), of: packed.descriptor, signedWith: [stranger])
        let approval = try Attestation(
            InTotoStatement(subject: .init(packed.reference), predicateType: "https://example.com/approval", predicate: [:]),
            of: packed.descriptor, signedWith: [key])
        #expect(reason([good], of: packed.digest) == nil)
        #expect(reason([bad, approval, good], of: packed.digest) == nil)
        #expect(reason([], of: packed.digest) == .unsigned)
        #expect(reason([bad], of: packed.digest) == .untrusted)
        #expect(reason([approval], of: packed.digest) == .predicate)
        #expect(reason([good], of: other.digest) == .subject)
        // Required of nobody, it is said who signed, and nothing is refused.
        let optional = SignaturePolicy(keys: policy.keys)
        #expect(try optional.signers(of: packed.digest, among: [.success(bad)]).isEmpty)
        #expect(try optional.signers(of: packed.digest, among: [.success(good)]).map(\.name) == ["key0"])
    }

    @Test func `a referrer whose parts do not fit each other is refused`() throws {
        let packed = try BundleBuilder.build(Sample.files())
        let other = try BundleBuilder.build(Sample.files(Sample.manifest("version: 1.0.0", "version: 1.1.0")))
        let good = try Attestation(Self.provenance(packed), of: packed.descriptor, signedWith: [SigningKey(.ed25519)])
        let foreign = try Attestation(Self.provenance(other), of: other.descriptor, signedWith: [SigningKey(.ed25519)])
        func reason(_ envelope: Data = good.envelopeBytes, _ change: (inout OCIManifest) -> Void) throws -> SignatureRefusal
            .Reason?
        {
            var head = good.manifest
            change(&head)
            let bytes = try WireCoding.encode(head)
            let digest = ContentDigest.of(bytes)
            do {
                _ = try Attestation(digest: digest) { (wanted, _) throws(BundleRefusal) in wanted == digest ? bytes : envelope }
                return nil
            } catch { return error.reason }
        }
        #expect(try reason { _ in } == nil)
        #expect(try reason { $0.subject = other.descriptor } == .subject)
        #expect(try reason { $0.subject = nil } == .malformed)
        #expect(try reason { $0.subject?.digest = "sha256:x" } == .malformed)
        #expect(try reason { $0.annotations = [Attestation.predicateKey: "https://example.com/other"] } == .predicate)
        #expect(try reason { $0.annotations = nil } == nil)
        #expect(try reason { $0.artifactType = nil } == .malformed)
        #expect(try reason { $0.artifactType = MediaType.bundle } == .malformed)
        #expect(try reason { $0.layers += $0.layers } == .malformed)
        #expect(try reason { $0.layers[0].mediaType = "text/plain" } == .malformed)
        #expect(try reason { $0.layers[0].size += 1 } == .malformed)
        #expect(try reason { $0.layers[0].size = 1 << 40 } == .malformed)
        #expect(try reason { $0.config.digest = packed.digest } == .malformed)
        #expect(try reason(foreign.envelopeBytes) { _ in } == .malformed)
        #expect(try reason(foreign.envelopeBytes) { $0.layers = foreign.manifest.layers } == .subject)
    }

    @Test func `a bundle that refers to something is none`() throws {
        let packed = try BundleBuilder.build(Sample.files())
        var head = packed.ociManifest
        head.subject = packed.descriptor
        let bytes = try WireCoding.encode(head)
        #expect(throws: BundleRefusal.self) { try PackedBundle.readOCIManifest(bytes, digest: ContentDigest.of(bytes)) }
    }

    @Test func `provenance names the commit of the folder, and no password`() async throws {
        try await withTemporaryFolder { folder in
            let root = folder.resolvingSymlinksInPath()
            let bundle = root.appending(path: "pipelines/sample")
            try Sample.write(Sample.files(), to: bundle)
            #expect(GitCheckout(of: bundle) == nil)
            func git(_ arguments: String...) async throws -> String {
                try await run("git", ["-C", root.path, "-c", "user.name=a", "-c", "user.email=a@b"] + arguments)
            }
            _ = try await git("init", "--quiet", "--initial-branch", "main")
            #expect(GitCheckout(of: bundle) == nil)
            _ = try await git("add", ".")
            _ = try await git("commit", "--quiet", "-m", "one")
            _ = try await git("remote", "add", "origin", "https://ci:token@git.example.com/team/repo.git")
            let commit = try await git("rev-parse", "HEAD").trimmingCharacters(in: .whitespacesAndNewlines)
            let found = try #require(GitCheckout(of: bundle))
            #expect(found.commit == commit)
            #expect(found.path == "pipelines/sample")
            #expect(found.uri == "git+https://git.example.com/team/repo.git@refs/heads/main")
            _ = try await git("pack-refs", "--all")
            #expect(GitCheckout(of: bundle)?.commit == commit)
            _ = try await git("worktree", "add", "--quiet", "--detach", root.appending(path: "other").path)
            let detached = try #require(GitCheckout(of: root.appending(path: "other/pipelines/sample")))
            #expect(detached.commit == commit && detached.reference == nil)
            #expect(detached.repository == found.repository)

            let packed = try BundleBuilder.build(Sample.files())
            let predicate = Provenance(
                bundle: packed.reference, source: found, builder: "https://ci.example.com", started: Date(), finished: Date()
            ).predicate
            let definition = try #require(predicate["buildDefinition"])
            #expect(definition["resolvedDependencies"]?.array?.first?["digest"]?["gitCommit"]?.string == commit)
            #expect(predicate["runDetails"]?["builder"]?["id"] == "https://ci.example.com")
            #expect(!String(decoding: try WireCoding.encode(predicate), as: UTF8.self).contains("token"))
        }
    }

    @Test(
        arguments: [
            ("https://user:secret@host/x.git", "https://host/x.git"),
            ("git@host.example:team/repo.git", "ssh://host.example/team/repo.git"),
            ("ssh://git@host:22/x", "ssh://host:22/x"), ("/srv/repo", nil), ("file:///srv/repo", nil), ("../repo", nil),
        ] as [(String, String?)])
    func `a repository is named without a password, one on this machine not at all`(url: String, named: String?) {
        #expect(GitCheckout.withoutPassword(url) == named)
    }
}
