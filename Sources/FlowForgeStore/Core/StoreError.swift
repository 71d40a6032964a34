internal import GRDB

/// What can go wrong in the store, in words that do not depend on the database behind it.
public enum StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another process holds the database.
    case busy
    /// The disk is full; nothing of the transaction was kept and reading goes on.
    case full
    case corrupt(String)
    /// A row was not in the state that the change needs, or a uniqueness rule would be broken.
    case conflict(String)
    /// The database was written by a newer FlowForge.
    case newerDatabase
    case failed(String)
    /// The store is shut and takes no more writes.
    case closed

    public var description: String {
        switch self {
        case .busy: "the database is locked by another process; stop the other flowforged and try again"
        case .full: "the disk of the database is full; free space and try again"
        case .corrupt(let what): "the database is damaged (\(what)); restore it from a backup"
        case .conflict(let what): what
        case .newerDatabase:
            "the database was written by a newer FlowForge; start that version, or restore a backup made before the upgrade"
        case .failed(let what): "the database failed: \(what)"
        case .closed: "the control plane is shutting down"
        }
    }

    /// Every error that leaves a transaction body passes through here; what is no database error is kept.
    static func mapping(_ error: any Error) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        return switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: StoreError.busy
        case .SQLITE_FULL: StoreError.full
        case .SQLITE_IOERR where error.message?.contains("full") == true: StoreError.full
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: StoreError.corrupt(error.message ?? "no detail")
        case .SQLITE_CONSTRAINT: StoreError.conflict(error.message ?? "a constraint failed")
        default: StoreError.failed(error.message ?? "code \(error.resultCode.rawValue)")
        }
    }
}
