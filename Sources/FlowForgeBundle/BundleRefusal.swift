/// Why packed bytes are not accepted as a bundle.
public struct BundleRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// A blob that the bundle needs is not there.
        case missingBlob
        /// The bytes are not those that the digest or size promises.
        case digestMismatch
        case tooLarge
        /// Not a FlowForge bundle, or one made by other rules than ours.
        case malformed
        /// The disk or the file system failed.
        case storage
    }

    public var reason: Reason
    public var message: String

    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    public var description: String { message }
}
