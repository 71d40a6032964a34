internal import FlowForgeDomain
internal import FlowForgeProtocol
public import Foundation
internal import GRDB

/// That the database is a backup's, put back.
public struct Restoration: Sendable, Hashable {
    public var backup: String
    public var madeAt: Date
    public var restoredAt: Date
    public init(backup: String, madeAt: Date, restoredAt: Date) {
        self.backup = backup
        self.madeAt = madeAt
        self.restoredAt = restoredAt
    }
}

extension Session {
    public var restorations: RestorationQueries { RestorationQueries(session: self) }
}

public struct RestorationQueries {
    let session: Session

    /// The last one; `nil` for a database that never came from a backup.
    public func last() throws -> Restoration? {
        try session.row("SELECT * FROM restoration ORDER BY restored_at DESC LIMIT 1").map {
            Restoration(
                backup: $0["backup"], madeAt: Date(milliseconds: $0["made_at"]), restoredAt: Date(milliseconds: $0["restored_at"])
            )
        }
    }

    /// Takes note of a restoration, once: raises what numbers begin at, so that none is given out twice,
    /// and takes back join tokens, whose uses since the backup are not known.
    ///
    /// The floors are times, microseconds for fencing numbers and milliseconds for versions: they grow
    /// from restoration to restoration also when the same backup is restored twice, which a fixed step
    /// from the backup's numbers would not.
    func take(_ restoration: Restoration) throws {
        let (now, restoredAt) = (session.now.milliseconds, restoration.restoredAt.milliseconds)
        try session.change(
            """
            INSERT INTO restoration (restored_at, backup, made_at, fencing_floor, version_floor) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """, [restoredAt, restoration.backup, restoration.madeAt.milliseconds, restoredAt * 1000, restoredAt])
        guard session.db.changesCount == 1 else { return }
        try session.change("UPDATE fencing SET last = max(last, ?)", [restoredAt * 1000])
        // Readers of the audit trail, and followers of logs, ask for what is numbered above what they have.
        try session.change("UPDATE sqlite_sequence SET seq = max(seq, ?)", [restoredAt])
        let tokens = try session.change("UPDATE join_token SET revoked_at = ? WHERE revoked_at IS NULL AND used < uses", [now])
        try session.audit.append(
            actor: .system("control-plane"), action: "control-plane.restore", subject: restoration.backup,
            detail: [
                "madeAt": .integer(restoration.madeAt.milliseconds), "restoredAt": .integer(restoredAt),
                "fencingFloor": .integer(restoredAt * 1000), "versionFloor": .integer(restoredAt),
                "joinTokensRevoked": .integer(Int64(tokens)),
            ])
    }
}
