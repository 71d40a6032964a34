import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// Which files an appending ingest has read already, so that none is read twice.
struct IngestLedger: Sendable {
    private let known: [String: IngestedFile]

    init(_ files: [IngestedFile]?) {
        known = Dictionary((files ?? []).map { ($0.path, $0) }) { $1 }
    }

    struct Arrivals: Sendable {
        /// Files to read.
        var new: [SourceFiles.File] = []
        /// Those of `new` that were read before with another content.
        var changed: [String] = []
        var unchanged = 0
    }

    /// A file of the same size and time is taken as read; one of another time is read again only if
    /// its content is another. A changed file is a new arrival: what it held before stays.
    func arrivals(among files: [SourceFiles.File]) throws -> Arrivals {
        var arrivals = Arrivals()
        for file in files {
            guard let past = known[file.name] else {
                arrivals.new.append(file)
                continue
            }
            var isSame = past.size == file.size
            if isSame, past.modifiedAt != file.modifiedAt { isSame = try Self.digest(of: file) == past.sha256 }
            if isSame {
                arrivals.unchanged += 1
            } else {
                arrivals.new.append(file)
                arrivals.changed.append(file.name)
            }
        }
        return arrivals
    }

    /// The ledger after these files were read too.
    func adding(_ files: [IngestedFile]) -> [IngestedFile] {
        known.merging(files.map { ($0.path, $0) }) { $1 }.values.sorted { $0.path < $1.path }
    }

    static func entry(of file: SourceFiles.File) throws -> IngestedFile {
        IngestedFile(path: file.name, size: file.size, modifiedAt: file.modifiedAt, sha256: try digest(of: file))
    }

    /// Lower-case hex.
    static func digest(of file: SourceFiles.File) throws -> String {
        String(try ContentDigest.ofFile(at: URL(filePath: file.path)).digest.dropFirst("sha256:".count))
    }
}
