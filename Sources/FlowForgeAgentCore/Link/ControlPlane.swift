public import FlowForgeProtocol
public import Foundation

/// What an agent asks of its control plane. ``ControlPlaneLink`` is the real one; every call throws
/// ``LinkError``, or `CancellationError` when the calling Swift task was cancelled.
public protocol ControlPlane: Sendable {
    func poll(_ request: AgentAPI.PollRequest) async throws -> AgentAPI.PollResponse
    /// `body` is an encoded ``AgentAPI/ReportRequest``, spliced by the spool from what is on disk.
    func report(_ body: Data) async throws -> AgentAPI.ReportResponse
    func renew(_ request: AgentAPI.RenewRequest) async throws -> AgentAPI.CertificateGrant
    /// Hands the bytes of a blob from `offset` on to `write`, in order. Returns how many there were.
    func blob(
        _ digest: String, from offset: Int64, write: @Sendable (Data) throws -> Void
    ) async throws -> Int64
    /// The signed statements about a bundle; their content are blobs.
    func referrers(of digest: String) async throws -> ReferrerIndex
}
