/// The Python packages that a bundle's commands need, by a lock file of the bundle.
public struct PythonSpec: Hashable, Sendable, Codable {
    /// The path of the lock file in the bundle; see ``RequirementsLock``.
    public var lock: String
    /// The interpreters that will do, e.g. `>=3.11`; absent: any.
    public var version: String?

    public init(lock: String, version: String? = nil) {
        self.lock = lock
        self.version = version
    }
}
