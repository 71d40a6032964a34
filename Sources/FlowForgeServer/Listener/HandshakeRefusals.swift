internal import FlowForgeDomain
internal import FlowForgeFleet
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation
internal import ServiceLifecycle

/// Writes down which client certificates were refused during the TLS handshake. At most 64 wait to be
/// written; older ones give way.
struct HandshakeRefusals: Service {
    private let refusals: RefusalTrail
    private let pending: AsyncStream<HandshakeRefusal>
    private let continuation: AsyncStream<HandshakeRefusal>.Continuation

    init(refusals: RefusalTrail) {
        self.refusals = refusals
        (pending, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(64))
    }

    /// Called on an event loop; never waits.
    func add(_ refusal: HandshakeRefusal) { continuation.yield(refusal) }

    func run() async throws {
        for await refusal in pending.cancelOnGracefulShutdown() {
            // What an unverified certificate says is a claim, so the agent is the subject, not the actor.
            await refusals.record(
                actor: .system("tls"), action: "agent.handshake",
                subject: refusal.certificate?.spiffeID.agent.description ?? refusal.address, error: Self.error(refusal))
        }
    }

    private static func error(_ refusal: HandshakeRefusal) -> APIError {
        guard let certificate = refusal.certificate else {
            return APIError(.certificateUnknown, "a client at \(refusal.address) showed a certificate of a foreign CA")
        }
        guard certificate.notAfter > Date() else {
            return APIError(
                .certificateExpired,
                "a client at \(refusal.address) showed certificate \(certificate.serial), which expired at "
                    + certificate.notAfter.formatted(WireCoding.timeStyle))
        }
        return APIError(
            .certificateUnknown,
            "a client at \(refusal.address) showed certificate \(certificate.serial), which our CA did not sign")
    }
}
