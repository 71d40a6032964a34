import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Synchronization
import Testing

/// A clock for the store that moves when it is told to.
final class MovableClock: Sendable {
    private let time: Mutex<Date>

    init(at start: Date = Date()) { time = Mutex(start) }

    var now: Date { time.withLock { $0 } }
    func advance(_ seconds: Double) { time.withLock { $0.addTimeInterval(seconds) } }

    var options: Store.Options {
        var options = Store.Options()
        options.now = { [self] in now }
        return options
    }
}

extension TestControlPlane {
    /// An agent with a certificate that the control plane never issued.
    func forged(
        by authority: CertificateAuthority, issued: Date = Date(), lifetime: Duration = .seconds(3600)
    ) throws -> TestAgent {
        let key = SigningPair()
        let id = ID<Agent>.make()
        let leaf = try authority.issueAgent(
            csr: try key.request(), agent: id, pool: "test", lifetime: lifetime, now: issued)
        let grant = AgentAPI.CertificateGrant(
            agent: id, pool: "test", certificate: leaf.certificatePEM, trustBundle: caCertificate,
            notBefore: leaf.notBefore, notAfter: leaf.notAfter, serverTime: issued)
        return try TestAgent(self, grant: grant, key: key.pem)
    }

    /// Waits, for at most 30 s, until a refusal of that code is in the audit trail.
    func expectRefusal(_ action: String, _ code: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await eventually(sourceLocation: sourceLocation) { try await self.refusals(action).contains(code) }
    }
}

/// Polls `condition` until it holds; fails after 30 s. For what another process or the kernel
/// decides when, and nothing signals.
func eventually(
    _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while true {
        // Read first: on a busy machine the last look may begin late, but there is one.
        let isLast = ContinuousClock.now >= deadline
        if try await condition() { return }
        if isLast { break }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("did not happen within 30 s: \(what)", sourceLocation: sourceLocation)
}
