/// The media types of a packed bundle. The three of FlowForge carry a version: a change of what the
/// bytes mean gets a new one.
public enum MediaType {
    public static let imageManifest = "application/vnd.oci.image.manifest.v1+json"
    public static let imageIndex = "application/vnd.oci.image.index.v1+json"
    /// Of `{}`.
    public static let empty = "application/vnd.oci.empty.v1+json"
    /// The `artifactType` of a referrer that holds an in-toto statement.
    public static let attestation = "application/vnd.in-toto+json"
    /// The `artifactType` of the image manifest.
    public static let bundle = "application/vnd.flowforge.bundle.v1"
    /// ``Manifest`` as canonical JSON.
    public static let config = "application/vnd.flowforge.bundle.config.v1+json"
    /// A deterministic, uncompressed tar of the bundle's files (see ``TarHeader``).
    public static let files = "application/vnd.flowforge.bundle.files.v1.tar"
}
