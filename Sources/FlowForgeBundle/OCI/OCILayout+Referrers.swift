extension OCILayout {
    /// Writes a signed statement into the layout and lists it in the index.
    ///
    /// Its name there, which begins with that of its subject (`sha256-<digits>.att-<digits>`), is for tools that copy by
    /// name; who knows referrers finds it without.
    public func write(_ attestation: Attestation) throws(BundleRefusal) {
        for blob in attestation.blobs { try write(blob.bytes) }
        try name(attestation.descriptor, reference: Self.reference(to: attestation))
    }

    public static func reference(to attestation: Attestation) -> String {
        func digits(_ digest: String) -> String { ContentDigest.hexadecimal(digest) ?? "none" }
        return "sha256-\(digits(attestation.manifest.subject?.digest ?? "")).att-\(digits(attestation.digest).prefix(12))"
    }

    /// The referrers to `digest` that the index lists, oldest first: whole ones, and why others are not. A referrer is
    /// known by its manifest, so that one copied by a tool that keeps no annotations is found too.
    public func attestations(of digest: String) throws(BundleRefusal) -> [Result<Attestation, SignatureRefusal>] {
        var found: [Result<Attestation, SignatureRefusal>] = []
        for listed in try readIndex().manifests
        where listed.digest != digest && listed.mediaType == MediaType.imageManifest && listed.artifactType != MediaType.bundle {
            guard found.count < Attestation.most, let head = try? read(listed.digest, limit: Attestation.largestManifest),
                let manifest = try? Attestation.readManifest(head, digest: listed.digest), manifest.subject?.digest == digest
            else { continue }
            found.append(
                Result { () throws(SignatureRefusal) in
                    try Attestation(digest: listed.digest) { (digest, limit) throws(BundleRefusal) in
                        try read(digest, limit: limit)
                    }
                })
        }
        return found
    }

    /// The bundles that the index lists, by name and without repetitions.
    public func bundles() throws(BundleRefusal) -> [(reference: String?, descriptor: OCIDescriptor)] {
        try readIndex().manifests.filter { listed in
            if listed.artifactType != nil { return listed.artifactType == MediaType.bundle }
            // Tools that copy may leave the artifactType of the descriptor out.
            guard let head = try? read(listed.digest, limit: BundleLimits.ociManifestBytes) else { return false }
            return (try? PackedBundle.readOCIManifest(head, digest: listed.digest)) != nil
        }.map { ($0.annotations?[OCIIndex.referenceKey], $0) }
    }
}
