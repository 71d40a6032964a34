public import FlowForgeDomain
internal import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A view of the database inside one read or one write. It must not leave the closure that it was
/// handed to. Queries hang off it by noun: `session.runs`, `session.agents`, ….
///
/// In a read the database itself refuses changes. In a write the session is one operation's savepoint:
/// what it throws undoes only that operation.
public final class Session {
    let db: Database
    /// The time of the operation, one value for all its rows.
    public let now: Date
    /// What of the database the operation may see: of whoever asked for it.
    public internal(set) var scope: Scope
    private(set) var afterCommit: [@Sendable () -> Void] = []
    private(set) var afterUndo: [@Sendable () -> Void] = []
    /// In writes.
    let certificateCache: CertificateCache?
    let caches: DigestCaches

    init(
        db: Database, now: Date, scope: Scope = .platform, certificateCache: CertificateCache? = nil,
        caches: DigestCaches
    ) {
        self.db = db
        self.now = now
        self.scope = scope
        self.certificateCache = certificateCache
        self.caches = caches
    }

    /// Runs `action` once the transaction is durable; never when it is not. Used to wake waiters.
    public func whenCommitted(_ action: @escaping @Sendable () -> Void) { afterCommit.append(action) }

    /// Runs `action` if the operation, or the transaction that it is part of, is undone.
    public func whenUndone(_ action: @escaping @Sendable () -> Void) { afterUndo.append(action) }

    /// Part of an operation whose failure undoes that part alone. Throws only what has undone the whole
    /// transaction: a full disk, damage.
    public func part<T>(_ body: () throws -> T) throws -> Result<T, any Error> {
        let (committed, undone) = (afterCommit.count, afterUndo.count)
        do {
            return .success(try Store.inSavepoint(db, body))
        } catch {
            guard db.isInsideTransaction else { throw error }
            for action in afterUndo[undone...] { action() }
            afterCommit.removeSubrange(committed...)
            afterUndo.removeSubrange(undone...)
            return .failure(error)
        }
    }
}

extension Session {
    /// The write changed exactly one row, or the transition lost: throws ``StoreError/conflict(_:)``.
    func requireOneChange(_ what: @autoclosure () -> String) throws {
        guard db.changesCount == 1 else { throw StoreError.conflict(what()) }
    }
}

/// Times are stored as integer milliseconds since 1970 (UTC).
extension Date {
    var milliseconds: Int64 { Int64((timeIntervalSince1970 * 1000).rounded()) }
    init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }
}

/// Values without a column of their own are stored as JSON text.
func jsonText(_ value: some Encodable) throws -> String {
    String(decoding: try WireCoding.encode(value), as: UTF8.self)
}

/// Throws ``StoreError/corrupt(_:)``: what we stored is not what some client sent.
func fromJSON<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
    do { return try WireCoding.decode(type, from: Data(text.utf8)) } catch let error as DecodingError {
        throw StoreError.corrupt("a stored \(type) cannot be read: \(error)".prefix(500).description)
    }
}
