import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

/// A bundle, checked whole, with what is signed about it: from a layout on disk or from the registry.
struct SignedBundle {
    var bundle: PackedBundle
    var attestations: [Result<Attestation, SignatureRefusal>]

    /// The bundle of a layout that `name` says (`NAME:VERSION`, `NAME@VERSION` or its digest), or its only one.
    init(in layout: OCILayout, named name: String?) throws {
        do {
            let wanted = name.map { $0.replacing("@", with: ":", maxReplacements: 1) }
            let found = try layout.bundles()
            let matching = found.filter { wanted == nil || $0.reference == wanted || $0.descriptor.digest == name }
            guard matching.count == 1 else {
                throw CommandError(
                    .usage, "usage",
                    "\(layout.folder.path) holds \(matching.count == 0 ? "no" : "\(matching.count)") such bundles",
                    hint:
                        "choose one with --bundle: \(found.map { $0.reference ?? $0.descriptor.digest }.joined(separator: ", "))")
            }
            bundle = try PackedBundle.read(digest: matching[0].descriptor.digest, from: layout)
            attestations = try layout.attestations(of: bundle.digest)
        } catch let refusal as BundleRefusal {
            throw CommandError(.failed, .invalidBundle, "\(layout.folder.path): \(refusal)", hint: "build or pull it again")
        }
    }

    init(bundle: PackedBundle, attestations: [Result<Attestation, SignatureRefusal>]) {
        self.bundle = bundle
        self.attestations = attestations
    }

    /// `nil` where `text` is no folder with an OCI layout.
    static func layout(_ text: String) throws -> OCILayout? {
        guard PackedFolder.isFolder(text) else { return nil }
        let folder = URL(filePath: text)
        guard !FileManager.default.fileExists(atPath: folder.appending(path: BundleFolder.manifestName).path) else {
            throw CommandError(
                .usage, "usage", "\(text) is a bundle's folder; what is signed is a packed bundle",
                hint: "`flowforge bundle push \(text) --key FILE` packs, signs and pushes; `flowforge bundle build` only packs")
        }
        do { return try OCILayout(opening: folder) } catch {
            throw CommandError(.usage, "usage", error.message, hint: "give what `flowforge bundle build` or `bundle pull` wrote")
        }
    }
}

extension Remote {
    /// Sends what the control plane does not have of it.
    func send(_ attestation: Attestation) async throws {
        for blob in attestation.blobs { try await client.putBlob(blob.descriptor.digest, from: .bytes(blob.bytes)) }
    }

    /// The registry's signed statements about a bundle, each checked against its digest.
    func attestations(of digest: String) async throws -> [Result<Attestation, SignatureRefusal>] {
        var found: [Result<Attestation, SignatureRefusal>] = []
        for entry in try await client.referrers(of: digest).manifests.prefix(Attestation.most) {
            do {
                let head = try await client.blob(entry.digest, largest: Attestation.largestManifest)
                let manifest = try Attestation.readManifest(head, digest: entry.digest)
                let envelope = try await client.blob(manifest.layers[0].digest, largest: max(1, Int(manifest.layers[0].size)))
                found.append(
                    .success(
                        try Attestation(digest: entry.digest, manifest: manifest, manifestBytes: head, envelope: envelope)))
            } catch let refusal as SignatureRefusal {
                found.append(.failure(refusal))
            } catch let error as APIError where error.code == .notFound {
                found.append(.failure(SignatureRefusal(.malformed, "\(entry.digest): its content is missing")))
            }
        }
        return found
    }
}

extension SignatureRefusal {
    /// As the API says it too.
    var code: ErrorCode {
        switch reason {
        case .unsigned: .unsignedBundle
        case .untrusted: .untrustedSignature
        case .subject: .attestationSubject
        case .predicate: .attestationPredicate
        case .malformed: .invalidAttestation
        }
    }
}
