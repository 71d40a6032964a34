import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Synchronization

/// Asks who signed a bundle, before anything of it is used.
///
/// The answer rests on the keys of this machine's configuration alone: the control plane hands over what it has, and can
/// at most keep signatures back. What satisfied the policy is kept beside the bundle, in `<folder>/<hex>`, and is verified
/// anew in each process; so a key that was removed no longer counts, and one that was added is looked for.
struct BundleSignatures: Sendable {
    let folder: URL
    let policy: SignaturePolicy
    let controlPlane: any ControlPlane
    /// Gate evidence is passed over by its annotation, so this is plenty.
    static let mostLookedAt = 100

    private struct Kept: Codable {
        struct Part: Codable {
            var manifest: Data
            var envelope: Data
        }
        var parts: [Part]
    }

    /// The trusted signers; without a requirement there may be none.
    ///
    /// - Throws: ``CacheError/untrusted(digest:reason:)``, ``LinkError``, `DiskError`.
    func signers(of digest: String) async throws -> [KeyRing.Entry] {
        guard !policy.keys.isEmpty else { return [] }
        if let kept = kept(digest), let signers = try? policy.signers(of: digest, among: kept), !signers.isEmpty {
            return signers
        }
        let offered = try await offered(digest)
        let signers: [KeyRing.Entry]
        do throws(SignatureRefusal) {
            signers = try policy.signers(of: digest, among: offered)
        } catch {
            throw CacheError.untrusted(digest: digest, reason: error.message)
        }
        try keep(
            offered.compactMap { try? $0.get() }.filter {
                (try? $0.verify(subject: digest, predicateTypes: SignaturePolicy.accepted, trusting: policy.keys)) != nil
            }, of: digest)
        return signers
    }

    /// What the control plane has, each whole or with the reason why not.
    private func offered(_ digest: String) async throws -> [Result<Attestation, SignatureRefusal>] {
        let index: ReferrerIndex
        do {
            index = try await controlPlane.referrers(of: digest)
        } catch LinkError.refused(let error, _) where error.code == .notFound {
            return []
        }
        let candidates = index.manifests.filter { entry in
            guard let said = entry.annotations?[Attestation.predicateKey] else { return true }
            return SignaturePolicy.accepted.contains(said)
        }
        var found: [Result<Attestation, SignatureRefusal>] = []
        for entry in candidates.prefix(Self.mostLookedAt) {
            do {
                let head = try await bytes(entry.digest, limit: Attestation.largestManifest)
                let manifest = try Attestation.readManifest(head, digest: entry.digest)
                let envelope = try await bytes(manifest.layers[0].digest, limit: Int(manifest.layers[0].size))
                found.append(
                    .success(
                        try Attestation(digest: entry.digest, manifest: manifest, manifestBytes: head, envelope: envelope)))
            } catch let error as SignatureRefusal {
                found.append(.failure(error))
            } catch LinkError.refused(let error, _) where error.code == .notFound {
                found.append(.failure(SignatureRefusal(.malformed, "\(entry.digest.prefix(80)): its content is missing")))
            }
        }
        return found
    }

    private func bytes(_ digest: String, limit: Int) async throws -> Data {
        guard ContentDigest.isWellFormed(digest) else {
            throw SignatureRefusal(.malformed, "'\(digest.prefix(80))' is no digest")
        }
        let collected = Mutex(Data())
        _ = try await controlPlane.blob(digest, from: 0) { piece in
            try collected.withLock { bytes in
                guard bytes.count + piece.count <= limit else {
                    throw SignatureRefusal(.malformed, "\(digest): it has more than \(limit) bytes")
                }
                bytes += piece
            }
        }
        return collected.withLock { $0 }
    }

    private func file(_ digest: String) -> URL { folder.appending(path: ContentDigest.hexadecimal(digest) ?? "none") }

    /// What cannot be read is asked for again.
    private func kept(_ digest: String) -> [Result<Attestation, SignatureRefusal>]? {
        guard let bytes = try? Data(contentsOf: file(digest)), let kept = try? WireCoding.decode(Kept.self, from: bytes) else {
            return nil
        }
        return kept.parts.map { part in
            Result { () throws(SignatureRefusal) in
                let digest = ContentDigest.of(part.manifest)
                return try Attestation(
                    digest: digest, manifest: try Attestation.readManifest(part.manifest, digest: digest),
                    manifestBytes: part.manifest, envelope: part.envelope)
            }
        }
    }

    private func keep(_ attestations: [Attestation], of digest: String) throws {
        guard !attestations.isEmpty else { return }
        let kept = Kept(parts: attestations.map { .init(manifest: $0.manifestBytes, envelope: $0.envelopeBytes) })
        try DurableFile.replace(file(digest), contents: try WireCoding.encode(kept), mode: 0o600)
    }

    func forget(_ digest: String) { unlink(file(digest).path) }
}
