import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import Foundation
import Testing

struct SignatureTests {
    private let trusted = SigningKey(.ed25519)
    private let stranger = SigningKey(.p256)
    private let own = SigningKey(.ed25519)

    private func fixture(required: Bool = true) throws -> ReleasesFixture {
        try ReleasesFixture(
            signatures: SignaturePolicy(
                keys: KeyRing([.init(name: "release", key: trusted.verifying)]), isRequired: required),
            own: [.init(name: EvidenceSigner.name, key: own.verifying)])
    }

    private func provenance(
        _ bundle: PackedBundle, about other: PackedBundle? = nil, by key: SigningKey, type: String = Provenance.predicateType
    ) throws -> Attestation {
        let said = (other ?? bundle).reference
        let statement = InTotoStatement(subject: .init(said), predicateType: type, predicate: ["runDetails": [:]])
        return try Attestation(statement, of: bundle.descriptor, signedWith: [key])
    }

    private func upload(_ attestation: Attestation, to fixture: ReleasesFixture) async throws {
        for blob in attestation.blobs { _ = try await fixture.registry.putBlob(blob.descriptor.digest, from: Pieces(blob.bytes)) }
    }

    private func push(
        _ bundle: PackedBundle, _ attestations: [Attestation], to fixture: ReleasesFixture
    ) async throws -> (bundle: OperatorAPI.BundleView, created: Bool) {
        try await fixture.upload(bundle)
        for attestation in attestations { try await upload(attestation, to: fixture) }
        return try await fixture.registry.push(digest: bundle.digest, attestations: attestations.map(\.digest), by: fixture.ann)
    }

    @Test func `a bundle signed by a trusted key is recorded with its signature`() async throws {
        let fixture = try fixture()
        let bundle = try fixture.pack()
        let signed = try provenance(bundle, by: trusted)
        let (view, created) = try await push(bundle, [signed], to: fixture)
        #expect(created)
        #expect(view.signatures?.map(\.digest) == [signed.digest])
        #expect(view.signatures?.first?.signers == [OperatorAPI.Signer(name: "release", keyId: trusted.verifying.id)])
        #expect(try await fixture.registry.show("demo@1.0.0").signatures == view.signatures)
        let index = try await fixture.registry.referrers(of: bundle.digest)
        #expect(index.manifests.map(\.digest) == [signed.digest])
        #expect(index.manifests[0].size == Int64(signed.manifestBytes.count))
        #expect(index.manifests[0].annotations?[Attestation.predicateKey] == Provenance.predicateType)
        #expect(try await fixture.registry.referrers(of: bundle.digest, artifactType: "text/plain").manifests.isEmpty)
        #expect(try fixture.index().manifests.map(\.digest) == [bundle.digest, signed.digest])
        #expect(try await fixture.audit("bundle.attest").count == 1)
        // Pushing it again needs no new signature, and records none twice.
        #expect(try await !push(bundle, [], to: fixture).created)
        #expect(try await !push(bundle, [signed], to: fixture).created)
        #expect(try await fixture.registry.referrers(of: bundle.digest).manifests.count == 1)
    }

    @Test func `what is not signed as it must be is not recorded, and it is said why`() async throws {
        let fixture = try fixture()
        let (bundle, other) = (try fixture.pack(), try fixture.pack(version: "2.0.0"))
        func refused(_ attestations: Attestation...) async throws -> APIError? {
            await refusal { try await push(bundle, attestations, to: fixture) }
        }
        let unsigned = try await refused()
        #expect(unsigned?.code == .unsignedBundle)
        #expect(unsigned?.message.contains("release") == true && unsigned?.hint?.contains("--key") == true)
        #expect(unsigned?.metadata["trustedKeyIds"] == trusted.verifying.id)
        let untrusted = try await refused(provenance(bundle, by: stranger))
        #expect(untrusted?.code == .untrustedSignature)
        #expect(untrusted?.message.contains(stranger.verifying.id) == true)
        // The control plane's own key vouches for evidence, and for no bundle.
        #expect(try await refused(provenance(bundle, by: own))?.code == .untrustedSignature)
        #expect(try await refused(provenance(other, by: trusted))?.code == .attestationSubject)
        #expect(try await refused(provenance(bundle, about: other, by: trusted))?.code == .attestationSubject)
        #expect(try await refused(provenance(bundle, by: trusted, type: "https://example.com/x"))?.code == .attestationPredicate)
        let error = await refusal {
            try await fixture.registry.push(
                digest: bundle.digest, attestations: [ContentDigest.of(Data("none".utf8))], by: fixture.ann)
        }
        #expect(error?.code == .notFound)
        let config = bundle.ociManifest.config.digest
        let noReferrer = await refusal {
            try await fixture.registry.push(digest: bundle.digest, attestations: [config], by: fixture.ann)
        }
        #expect(noReferrer?.code == .invalidAttestation)
        #expect(try await fixture.registry.list().items.isEmpty)
        #expect(try await fixture.audit("bundle.attest").isEmpty)
        // One good signature is enough, whatever else is attached.
        #expect(try await push(bundle, [provenance(bundle, by: stranger), provenance(bundle, by: trusted)], to: fixture).created)
    }

    @Test func `without a requirement what is unsigned is taken, and who signed is said`() async throws {
        let fixture = try fixture(required: false)
        let bundle = try fixture.pack()
        #expect(try await push(bundle, [], to: fixture).created)
        let signed = try provenance(bundle, by: stranger)
        try await upload(signed, to: fixture)
        let pushed = try await fixture.registry.pushReferrer(signed.digest, of: bundle.digest, by: fixture.ann)
        #expect(pushed.created && pushed.referrer.signers.isEmpty)
        #expect(try await !fixture.registry.pushReferrer(signed.digest, of: bundle.digest, by: fixture.ann).created)
    }

    @Test func `where signatures are required nobody attaches statements of strangers`() async throws {
        let fixture = try fixture()
        let bundle = try fixture.pack()
        _ = try await push(bundle, [provenance(bundle, by: trusted)], to: fixture)
        let foreign = try provenance(bundle, by: stranger)
        try await upload(foreign, to: fixture)
        func attach(_ digest: String, of bundle: String) async -> APIError? {
            await refusal { try await fixture.registry.pushReferrer(digest, of: bundle, by: fixture.ann) }
        }
        #expect(await attach(foreign.digest, of: bundle.digest)?.code == .untrustedSignature)
        #expect(await attach(foreign.digest, of: ContentDigest.of(Data()))?.code == .notFound)
        #expect(await attach("nonsense", of: bundle.digest)?.code == .invalidRequest)
        #expect(await attach(foreign.digest, of: "nonsense")?.code == .invalidRequest)
        let approval = try provenance(bundle, by: trusted, type: "https://example.com/approval")
        try await upload(approval, to: fixture)
        #expect(await attach(approval.digest, of: bundle.digest) == nil)
    }

    @Test func `evidence is signed by the control plane, kept with the bundle and told from imitations`() async throws {
        let fixture = try fixture(required: false)
        let bundle = try fixture.pack()
        try await fixture.push(bundle)
        let signer = EvidenceSigner(key: own, registry: fixture.registry)
        let type = "https://flowforge.dev/gate/v1"
        let view = try await signer.attest(bundle.digest, predicateType: type, predicate: ["passed": true], by: fixture.ann)
        #expect(view.signers == [OperatorAPI.Signer(name: "control-plane", keyId: own.verifying.id)])
        // Within a transaction that fails it is not recorded; within one that succeeds it is.
        let second = try await signer.prepare(bundle.digest, predicateType: type, predicate: ["passed": false])
        struct Stop: Error {}
        await #expect(throws: Stop.self) {
            try await fixture.store.write { session in
                try second.record(by: fixture.ann, in: session)
                throw Stop()
            }
        }
        #expect(try await fixture.registry.referrers(of: bundle.digest).manifests.count == 1)
        try await fixture.store.write { try second.record(by: fixture.ann, in: $0) }
        let imitation = try provenance(bundle, by: trusted, type: type)
        try await upload(imitation, to: fixture)
        _ = try await fixture.registry.pushReferrer(imitation.digest, of: bundle.digest, by: fixture.ann)
        #expect(try await fixture.registry.referrers(of: bundle.digest).manifests.count == 3)
        let found = try await signer.evidence(of: bundle.digest, predicateType: type)
        #expect(found.map(\.statement.predicate) == [["passed": true], ["passed": false]])
        #expect(
            await refusal {
                try await signer.attest(ContentDigest.of(Data()), predicateType: type, predicate: nil, by: fixture.ann)
            }?.code == .notFound)
        #expect(try VerifyingKey(pem: signer.view.pem) == own.verifying)
    }

    @Test func `a signature whose content was damaged on disk counts no more`() async throws {
        let fixture = try fixture()
        let bundle = try fixture.pack()
        let signed = try provenance(bundle, by: trusted)
        _ = try await push(bundle, [signed], to: fixture)
        try Data("x".utf8).write(to: fixture.blobFile(signed.manifest.layers[0].digest))
        #expect(try await fixture.registry.show(bundle.digest).signatures?.first?.signers == [])
        #expect(
            await refusal { try await fixture.registry.push(digest: bundle.digest, by: fixture.ann) }?.code == .invalidAttestation
        )
    }
}
