import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Logging
import Synchronization

@testable import FlowForgeAgentCore

/// A control plane without a wire: hands out what a test queues, keeps what is reported.
final class TestPlane: RenewingLink {
    struct State {
        var queued: [AgentAPI.PollResponse] = []
        var polls: [AgentAPI.PollRequest] = []
        var events: [AgentAPI.ReportEvent] = []
        var spools: Set<ID<Spool>> = []
        var blobs: [String: Data] = [:]
        var referrers: [String: [OCIDescriptor]] = [:]
        var blobReads: [(digest: String, from: Int64)] = []
        /// How many bytes a blob's answer holds before it breaks off; used up one by one.
        var cuts: [Int] = []
        /// Who reads this blob waits until as many do.
        var meeting: (digest: String, readers: Int)?
        var waiting: [CheckedContinuation<Void, Never>] = []
        var pollError: LinkError?
        /// Of polls that only prolong leases.
        var prolongError: LinkError?
        var reportErrors: [LinkError] = []
        var publications: [AgentAPI.Publication] = []
        /// Brought by the answer to the next report that offers a slot and tells an outcome.
        var next: [AgentAPI.Assignment] = []
        var stale: [ID<Lease>] = []
        var renewals = 0
        var adopted: [Identity] = []
        var renewErrors: [LinkError] = []
    }

    let state = Mutex(State())
    let authority: TestAuthority?
    let life: Double
    private let wake = PollWake()

    init(authority: TestAuthority? = nil, life: Double = 3600) {
        self.authority = authority
        self.life = life
    }

    func send(_ response: AgentAPI.PollResponse) {
        state.withLock { $0.queued.append(response) }
        wake.fire()
    }

    func poll(_ request: AgentAPI.PollRequest) async throws -> AgentAPI.PollResponse {
        state.withLock { $0.polls.append(request) }
        let end = ContinuousClock.now + .seconds(request.waitSeconds)
        while true {
            try Task.checkCancellation()
            let (response, error) = state.withLock { state in
                (
                    state.queued.isEmpty ? nil : state.queued.removeFirst(),
                    state.pollError ?? (request.sequence == nil ? state.prolongError : nil)
                )
            }
            if let error { throw error }
            if let response { return response }
            // As the real one: every lease is renewed.
            if ContinuousClock.now >= end {
                return .init(serverTime: .now, renewed: request.leases.map { .init(lease: $0.lease, seconds: 60) })
            }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.wake.wait() }
                group.addTask { try? await Task.sleep(until: end, clock: .continuous) }
                await group.next()
                group.cancelAll()
            }
        }
    }

    func report(_ body: Data) async throws -> AgentAPI.ReportResponse {
        let request = try WireCoding.decode(AgentAPI.ReportRequest.self, from: body)
        return try state.withLock { state in
            if !state.reportErrors.isEmpty { throw state.reportErrors.removeFirst() }
            state.spools.insert(request.spool)
            let known = state.events.last?.number ?? 0
            state.events += request.events.filter { $0.number > known }
            let tellsOutcome = request.events.contains { if case .finished = $0.body { true } else { false } }
            let brings = request.offer != nil && tellsOutcome
            defer {
                state.publications = []
                state.stale = []
                if brings { state.next = [] }
            }
            return .init(
                acknowledged: state.events.last?.number ?? 0, stale: state.stale, publications: state.publications,
                assignments: brings ? state.next : nil)
        }
    }

    func renew(_ request: AgentAPI.RenewRequest) async throws -> AgentAPI.CertificateGrant {
        try state.withLock { state in
            state.renewals += 1
            if !state.renewErrors.isEmpty { throw state.renewErrors.removeFirst() }
        }
        guard let authority else { throw LinkError.timedOut }
        return try authority.grant(csr: request.csr, agent: .make(), pool: "local", life: life)
    }

    func adopt(_ identity: Identity) async throws { state.withLock { $0.adopted.append(identity) } }

    func blob(_ digest: String, from offset: Int64, write: @Sendable (Data) throws -> Void) async throws -> Int64 {
        let (bytes, cut) = try state.withLock { state in
            state.blobReads.append((digest, offset))
            guard let bytes = state.blobs[digest] else {
                throw LinkError.refused(APIError(.notFound, "no such blob"), status: 404)
            }
            if offset > 0, offset >= bytes.count { throw BlobRangeRefused() }
            return (bytes.dropFirst(Int(offset)), state.cuts.isEmpty ? nil : state.cuts.removeFirst())
        }
        await meet(digest)
        try write(Data(bytes.prefix(cut ?? bytes.count)))
        if let cut, cut < bytes.count { throw LinkError.unreachable("the connection was closed") }
        return Int64(bytes.count)
    }

    private func meet(_ digest: String) async {
        await withCheckedContinuation { (reader: CheckedContinuation<Void, Never>) in
            let all = state.withLock { state in
                guard let meeting = state.meeting, meeting.digest == digest else { return [reader] }
                state.waiting.append(reader)
                guard state.waiting.count == meeting.readers else { return [] }
                defer { state.waiting = [] }
                return state.waiting
            }
            for reader in all { reader.resume() }
        }
    }

    func referrers(of digest: String) async throws -> ReferrerIndex {
        let listed = state.withLock { $0.referrers[digest, default: []] }
        return ReferrerIndex(
            manifests: listed.map {
                .init(
                    mediaType: $0.mediaType, digest: $0.digest, size: $0.size, artifactType: $0.artifactType,
                    annotations: $0.annotations)
            })
    }

    func serve(_ attestation: Attestation, of digest: String) {
        state.withLock { state in
            for blob in attestation.blobs { state.blobs[blob.descriptor.digest] = blob.bytes }
            state.referrers[digest, default: []].append(attestation.descriptor)
        }
    }

    func serve(_ bundle: PackedBundle) {
        state.withLock { state in for blob in bundle.blobs { state.blobs[blob.descriptor.digest] = blob.bytes } }
    }

    var events: [AgentAPI.ReportEvent] { state.withLock { $0.events } }
    var ends: [AgentAPI.Finished] {
        events.compactMap { if case .finished(let finished) = $0.body { finished } else { nil } }
    }
}

/// A bundle with one task, `flow.task`, of engine `command`.
func testBundle(
    _ word: String = "", padding: Int = 0, timeout: String = "1m", whenCutOff: WhenCutOff = .finish,
    more: [String: Int] = [:], in folder: URL
) throws -> PackedBundle {
    let source = folder.appending(path: "bundle-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
    try """
    bundle:
      name: test
      version: 1.0.0
      description: "\(word)"
    include: [\(more.keys.joined(separator: ", "))]
    flows:
      flow:
        tasks:
          task:
            layer: bronze
            engine: command
            command: [run.sh]
            output: bronze.thing
            timeout: \(timeout)
            when_cut_off: \(whenCutOff.rawValue)
    """.write(to: source.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
    for (name, bytes) in more { try Data(count: bytes).write(to: source.appending(path: name)) }
    let script = source.appending(path: "run.sh")
    try "#!/bin/sh\nexit 0\n# \(String(repeating: "x", count: padding))\n".write(to: script, atomically: true, encoding: .utf8)
    chmod(script.path, 0o755)
    return try BundleBuilder.build(BundleFolder(source))
}
