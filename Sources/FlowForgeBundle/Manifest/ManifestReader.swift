/// Reads a bundle's `flowforge.yaml`.
enum ManifestReader {
    static func read(_ files: [BundleFile]) throws(BundleProblems) -> Manifest {
        throw BundleProblems([Problem(file: BundleFolder.manifestName, message: "cannot be read by this build")])
    }
}
