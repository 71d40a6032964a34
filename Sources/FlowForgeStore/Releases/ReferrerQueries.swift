public import Foundation
internal import GRDB

/// A signed statement about a bundle; its content is in the registry's folder.
public struct ReferrerRow: Sendable, Hashable {
    /// Grows with each push; the order of lists.
    public var number: Int64
    public var digest: String
    /// The digest of the bundle.
    public var subject: String
    public var envelope: String
    public var artifactType: String
    public var predicateType: String
    public var annotations: [String: String]
    public var manifestBytes: Int64
    public var bytes: Int64
    public var pushedAt: Date
    public var pushedBy: String
}

/// What is recorded of a referrer that is whole and was verified.
public struct ReferrerDraft: Sendable, Hashable {
    public var digest: String
    public var subject: String
    /// The digest of the one blob that its manifest names beside the empty config.
    public var envelope: String
    public var artifactType: String
    public var predicateType: String
    public var annotations: [String: String]
    public var manifestBytes: Int64
    public var bytes: Int64

    public init(
        digest: String, subject: String, envelope: String, artifactType: String, predicateType: String,
        annotations: [String: String],
        manifestBytes: Int64, bytes: Int64
    ) {
        self.digest = digest
        self.subject = subject
        self.envelope = envelope
        self.artifactType = artifactType
        self.predicateType = predicateType
        self.annotations = annotations
        self.manifestBytes = manifestBytes
        self.bytes = bytes
    }
}

extension Session {
    public var referrers: ReferrerQueries { ReferrerQueries(session: self) }
}

public struct ReferrerQueries {
    let session: Session

    public func find(_ digest: String) throws -> ReferrerRow? {
        try session.row("SELECT * FROM referrer WHERE digest = ?", [digest]).map(ReferrerRow.init)
    }

    /// The oldest first.
    public func list(of subject: String, artifactType: String? = nil) throws -> [ReferrerRow] {
        try session.rows(
            "SELECT * FROM referrer WHERE subject = ?1 AND (?2 IS NULL OR artifact_type = ?2) ORDER BY number",
            [subject, artifactType]
        ).map(ReferrerRow.init)
    }

    public func count(of subject: String) throws -> Int {
        try session.value(Int.self, "SELECT count(*) FROM referrer WHERE subject = ?", [subject]) ?? 0
    }

    /// Throws ``StoreError/conflict(_:)`` when the digest is taken or there is no such bundle.
    @discardableResult
    public func insert(_ draft: ReferrerDraft, by pusher: String) throws -> ReferrerRow {
        try session.change(
            """
            INSERT INTO referrer
                (digest, subject, envelope, artifact_type, predicate_type, annotations, manifest_bytes, bytes, pushed_at, pushed_by)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                draft.digest, draft.subject, draft.envelope, draft.artifactType, draft.predicateType,
                try jsonText(draft.annotations),
                draft.manifestBytes, draft.bytes, session.now.milliseconds, pusher,
            ])
        return ReferrerRow(
            number: session.db.lastInsertedRowID, digest: draft.digest, subject: draft.subject,
            envelope: draft.envelope, artifactType: draft.artifactType, predicateType: draft.predicateType,
            annotations: draft.annotations,
            manifestBytes: draft.manifestBytes, bytes: draft.bytes, pushedAt: Date(milliseconds: session.now.milliseconds),
            pushedBy: pusher)
    }
}

extension ReferrerRow {
    fileprivate init(_ row: Row) throws {
        self.init(
            number: row["number"], digest: row["digest"], subject: row["subject"], envelope: row["envelope"],
            artifactType: row["artifact_type"],
            predicateType: row["predicate_type"], annotations: try fromJSON([String: String].self, row["annotations"]),
            manifestBytes: row["manifest_bytes"], bytes: row["bytes"], pushedAt: Date(milliseconds: row["pushed_at"]),
            pushedBy: row["pushed_by"])
    }
}
