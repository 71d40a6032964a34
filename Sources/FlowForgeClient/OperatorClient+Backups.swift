public import FlowForgeProtocol

extension OperatorClient {
    /// Returns when the backup is on the disk of the control plane's machine; `patience` is how long
    /// that may take.
    public func makeBackup(patience: Duration = .seconds(3600)) async throws -> OperatorAPI.BackupView {
        var call = Call.post("/backups")
        call.held = patience
        return try await value(call)
    }

    /// How long what is finished is kept, and what would be removed now.
    public func retention() async throws -> OperatorAPI.RetentionView { try await value(.get("/retention")) }

    /// Newest first.
    public func backups() async throws -> OperatorAPI.Page<OperatorAPI.BackupView> { try await value(.get("/backups")) }
}
