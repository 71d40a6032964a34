public import FlowForgeDomain
public import Foundation
internal import GRDB

extension Session {
    public var flowPauses: FlowPauseQueries { FlowPauseQueries(session: self) }
}

/// Flows of which no task is handed out for the time being.
public struct FlowPauseQueries {
    let session: Session

    public struct Pause: Hashable, Sendable {
        public var flow: FlowReference
        public var reason: String
        public var pausedAt: Date
        public var pausedBy: String
    }

    /// `false` when it was paused already; nothing changes then.
    public func pause(_ flow: FlowReference, reason: String, by: String) throws -> Bool {
        try session.change(
            """
            INSERT INTO flow_pause (environment, bundle, flow, reason, paused_at, paused_by) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """, [flow.environment, flow.bundle, flow.flow, reason, session.now.milliseconds, by]) > 0
    }

    /// `false` when it was not paused.
    public func resume(_ flow: FlowReference) throws -> Bool {
        try session.change(
            "DELETE FROM flow_pause WHERE environment = ? AND bundle = ? AND flow = ?",
            [flow.environment, flow.bundle, flow.flow]) > 0
    }

    public func find(_ flow: FlowReference) throws -> Pause? {
        try session.row(
            "SELECT * FROM flow_pause WHERE environment = ? AND bundle = ? AND flow = ?",
            [flow.environment, flow.bundle, flow.flow]
        ).map(Self.pause)
    }

    public func isPaused(_ flow: FlowReference) throws -> Bool {
        try session.exists(
            "SELECT 1 FROM flow_pause WHERE environment = ? AND bundle = ? AND flow = ?",
            [flow.environment, flow.bundle, flow.flow])
    }

    private static func pause(_ row: Row) -> Pause {
        Pause(
            flow: FlowReference(environment: row["environment"], bundle: row["bundle"], flow: row["flow"]),
            reason: row["reason"], pausedAt: Date(milliseconds: row["paused_at"]), pausedBy: row["paused_by"])
    }
}
