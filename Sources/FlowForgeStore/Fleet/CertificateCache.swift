internal import Synchronization

/// Certificates that were looked up, as they stand: every request of an agent asks for its own. Only
/// this process writes the database, so what a commit changes is forgotten with it.
final class CertificateCache: Sendable {
    private struct State {
        var rows: [String: CertificateRow] = [:]
        /// Grows with every change; a look-up that began before it is not kept.
        var generation = 0
    }

    private let state = Mutex(State())
    /// Full, it is emptied: most of it are certificates that nobody shows any more.
    private static let largest = 50_000

    func find(_ serial: String) -> (row: CertificateRow?, generation: Int) {
        state.withLock { ($0.rows[serial], $0.generation) }
    }

    func keep(_ row: CertificateRow, generation: Int) {
        state.withLock { state in
            guard state.generation == generation else { return }
            if state.rows.count >= Self.largest { state.rows = [:] }
            state.rows[row.serial] = row
        }
    }

    func forget() {
        state.withLock { state in
            state.rows = [:]
            state.generation += 1
        }
    }
}

extension Session {
    /// An agent's standing or a certificate changes with this operation.
    func accessChanges() { whenCommitted { [certificateCache] in certificateCache?.forget() } }
}

extension Store {
    /// As ``CertificateQueries/find(serial:)``, mostly from memory.
    public func certificate(serial: String) async throws -> CertificateRow? {
        let known = certificateCache.find(serial)
        if let row = known.row { return row }
        let row = try await read { try $0.certificates.find(serial: serial) }
        if let row { certificateCache.keep(row, generation: known.generation) }
        return row
    }
}
