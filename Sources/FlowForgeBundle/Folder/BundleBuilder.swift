/// Makes bundles out of folders.
public enum BundleBuilder {
    /// Reads and validates the folder and packs it. Throws everything that is wrong with it at once.
    public static func build(_ folder: BundleFolder) throws(BundleProblems) -> PackedBundle {
        try build(try folder.files())
    }

    /// The folder's manifest, if everything about the bundle is right.
    public static func validate(_ folder: BundleFolder) throws(BundleProblems) -> Manifest {
        try validate(try folder.files())
    }

    static func build(_ files: [BundleFile]) throws(BundleProblems) -> PackedBundle {
        let (manifest, lock) = try ManifestReader.read(files)
        do {
            return try PackedBundle(manifest: manifest, lock: lock, files: files)
        } catch {
            throw BundleProblems([Problem(file: BundleFolder.manifestName, message: error.message)])
        }
    }

    /// `files` must have passed ``BundleFolder/files()`` or ``BundleArchive/files(in:)``.
    static func validate(_ files: [BundleFile]) throws(BundleProblems) -> Manifest {
        try ManifestReader.read(files).manifest
    }
}
