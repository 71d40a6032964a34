/// How large a bundle may be. A bundle holds SQL, checks and small programs, never data.
public enum BundleLimits {
    public static let manifestBytes = 4 << 20
    public static let fileBytes = 16 << 20
    public static let totalBytes = 256 << 20
    public static let files = 10_000
    /// Of one flow.
    public static let tasks = 10_000
    /// Of one flow.
    public static let triggers = 100
    /// Of the OCI manifest, and of the config blob (the manifest as JSON).
    public static let ociManifestBytes = 64 << 10
    public static let configBytes = 32 << 20
    /// Of the layers together: every file with a header and padding, and the end markers.
    public static let layerBytes = totalBytes + files * 1024 + layers * 1024
    /// Of a bundle: all but the last have ``BundleArchive/leastInLayer`` bytes of files.
    public static let layers = totalBytes / BundleArchive.leastInLayer + 1
}
