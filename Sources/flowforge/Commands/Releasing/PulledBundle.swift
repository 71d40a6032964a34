import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

extension Remote {
    /// The registry's bundle of that `NAME@VERSION` or digest.
    func bundle(_ text: String) async throws -> OperatorAPI.BundleView {
        if text.hasPrefix("sha256:") { return try await client.bundle(digest: text) }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw CommandError(
                .usage, "usage", "'\(text)' is neither NAME@VERSION nor a digest",
                hint: "`flowforge bundle list` shows what there is")
        }
        return try await client.bundle(parts[0], version: parts[1])
    }

    /// The same with its content, all of it checked against the digest.
    func pull(_ text: String) async throws -> PackedBundle {
        let digest = try await bundle(text).bundle.digest
        do {
            let head = try await client.blob(digest, largest: BundleLimits.ociManifestBytes)
            let parts = try PackedBundle.readOCIManifest(head, digest: digest)
            var blobs = [digest: head]
            for part in [parts.config] + parts.layers {
                blobs[part.digest] = try await client.blob(part.digest, largest: Int(part.size))
            }
            return try PackedBundle.read(digest: digest) { [blobs] (digest, _) throws(BundleRefusal) in
                guard let blob = blobs[digest] else { throw BundleRefusal(.malformed, "the bundle has no blob \(digest)") }
                return blob
            }
        } catch let refusal as BundleRefusal {
            throw CommandError(.failed, .invalidBundle, "\(text): \(refusal)", hint: "push the bundle again")
        }
    }
}
