internal import FlowForgeDomain
public import Foundation
internal import Synchronization

/// The tz database of the operating system, which its updates renew: governments change their clocks at a
/// few weeks' notice, and the data inside a program are as old as the compiler that built it.
public struct SystemZones: Sendable {
    /// `2025b`
    public let version: String
    private let folder: URL

    /// `nil` where `folder` has no database that says its version.
    public init?(folder: URL) {
        let head = (try? FileHandle(forReadingFrom: folder.appending(path: "tzdata.zi"))).flatMap { file in
            defer { try? file.close() }
            return try? file.read(upToCount: 64)
        }
        guard let head, let line = String(decoding: head, as: UTF8.self).split(separator: "\n").first,
            let version = line.wholeMatch(of: /# version ([0-9]{4}[a-z]{1,2})/)?.1
        else { return nil }
        self.version = String(version)
        self.folder = folder
    }

    /// Makes schedules use the database of `TZDIR`, or of `/usr/share/zoneinfo`, where it is newer than the
    /// program's own. To be called before the first schedule is read.
    ///
    /// - Returns: which data are in use, for the log.
    @discardableResult
    public static func adopt() -> String {
        let folder = ProcessInfo.processInfo.environment["TZDIR"] ?? "/usr/share/zoneinfo"
        guard let zones = SystemZones(folder: URL(filePath: folder)), zones.isNewer(than: ScheduleZone.ownVersion) else {
            return "\(ScheduleZone.ownVersion), built in"
        }
        let known = Cache()
        ScheduleZone.adopt { name in known.rules(name) { zones.rules(name) } }
        return "\(zones.version), \(folder)"
    }

    /// Versions are a year and a letter (two after `z`).
    func isNewer(than other: String) -> Bool {
        version.prefix(4) == other.prefix(4)
            ? (version.count, version) > (other.count, other) : version.prefix(4) > other.prefix(4)
    }

    /// The rules of a zone; `name` is one that ``ScheduleZone`` lets pass: no way out of the folder.
    func rules(_ name: String) -> ZoneRules? {
        let file = folder.appending(path: name)
        guard let size = try? file.resourceValues(forKeys: [.fileSizeKey]).fileSize, size <= 1 << 20 else { return nil }
        return (try? Data(contentsOf: file)).flatMap(ZoneRules.init(file:))
    }

    /// Each zone is read once.
    private final class Cache: Sendable {
        private let found = Mutex<[String: ZoneRules]>([:])

        func rules(_ name: String, read: () -> ZoneRules?) -> ZoneRules? {
            if let rules = found.withLock({ $0[name] }) { return rules }
            guard let rules = read() else { return nil }
            found.withLock { $0[name] = rules }
            return rules
        }
    }
}
