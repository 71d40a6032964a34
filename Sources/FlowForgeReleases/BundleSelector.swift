import FlowForgeProtocol
import FlowForgeStore

/// How people name a bundle: `name@version`, or its digest, of which the first 12 hexadecimal digits
/// will do while no other bundle begins so.
enum BundleSelector: Hashable, Sendable {
    case version(name: String, version: String)
    /// `sha256:` and 12 to 64 lower-case hexadecimal digits.
    case digest(String)

    static let shortestDigest = 12

    /// `nil` for text that is neither. The prefix `sha256:` may be left out.
    init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard isPlainName(parts[0], dashes: true), !parts[1].isEmpty, parts[1].utf8.count <= 128 else { return nil }
            self = .version(name: String(parts[0]), version: String(parts[1]))
        } else {
            let digits = text.hasPrefix("sha256:") ? text.dropFirst(7) : text[...]
            guard (Self.shortestDigest...64).contains(digits.utf8.count), digits.utf8.allSatisfy(\.isLowerHexDigit) else {
                return nil
            }
            self = .digest("sha256:\(digits)")
        }
    }

    /// The bundle, to be released anew. Throws what ``resolve(in:)`` does, and `bundle_yanked`.
    func resolveForRelease(in session: Session) throws -> BundleRow {
        let row = try resolve(in: session)
        if let yank = row.yank {
            throw APIError(
                .bundleYanked, "\(row.reference.name)@\(row.reference.version) was yanked by \(yank.by): \(yank.reason)",
                hint: "release another version; 'flowforge bundle unyank' takes it back")
        }
        return row
    }

    /// Throws ``APIError`` `not_found`, or `conflict` for an ambiguous digest.
    func resolve(in session: Session) throws -> BundleRow {
        switch self {
        case .version(let name, let version):
            guard let row = try session.bundles.find(name: name, version: version) else {
                throw Self.missing("\(name)@\(version)")
            }
            return try Self.present(row)
        case .digest(let digest):
            let found = try session.bundles.matching(digestPrefix: digest, limit: 2)
            guard found.count < 2 else {
                throw APIError(
                    .conflict, "more than one bundle's digest begins with '\(digest)'", hint: "give more of its digits")
            }
            guard let row = found.first else { throw Self.missing(digest) }
            return try Self.present(row)
        }
    }

    private static func present(_ row: BundleRow) throws -> BundleRow {
        if let removed = row.removedAt {
            throw APIError(
                .notFound,
                "the content of \(row.reference.name)@\(row.reference.version) was removed at \(WireCoding.text(removed))",
                hint: "push the same files again; retention (bundles in the configuration) removes what nothing uses")
        }
        return row
    }

    private static func missing(_ what: String) -> APIError {
        APIError(
            .notFound, "there is no bundle '\(what)'",
            hint: "'flowforge bundle list' shows those that exist, 'flowforge bundle push' adds one")
    }
}

extension UInt8 {
    var isLowerHexDigit: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self)
    }
}
