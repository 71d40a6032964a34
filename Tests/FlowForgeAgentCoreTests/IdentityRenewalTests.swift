import FlowForgeProtocol
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import FlowForgeAgentCore

@Suite struct IdentityRenewalTests {
    /// A clock that moves only when somebody sleeps.
    final class Clock: Sendable {
        private let time = Mutex(Date())
        let slept = Mutex<[Double]>([])
        var now: Date { time.withLock { $0 } }
        func sleep(_ duration: Duration) async throws {
            try Task.checkCancellation()
            slept.withLock { $0.append(duration.inSeconds) }
            time.withLock { $0 += duration.inSeconds }
            await Task.yield()
        }
    }

    func renewal(
        _ folder: URL, _ plane: TestPlane, jitter: Double = 1, request: CertificateRenewal.Request = .init(), clock: Clock? = nil
    ) -> CertificateRenewal {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        guard let clock else {
            return CertificateRenewal(folder: IdentityFolder(state: folder), link: plane, request: request, logger: logger)
        }
        return CertificateRenewal(
            folder: IdentityFolder(state: folder), link: plane, request: request, backoff: Backoff(draw: { $0 }), logger: logger,
            jitter: { jitter }, now: { clock.now }, sleep: { try await clock.sleep($0) })
    }

    /// Runs the service until `done`, then stops it as SIGTERM does.
    func running(_ renewal: CertificateRenewal, until done: @escaping () -> Bool) async throws {
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: renewal)], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        async let ended: Void = group.run()
        try await eventually { done() }
        await group.triggerGracefulShutdown()
        try await ended
    }

    @Test(arguments: [0.9, 1.0, 1.1])
    func `a certificate is replaced at half its life with its jitter`(jitter: Double) async throws {
        let authority = try TestAuthority()
        try await withTemporaryFolder { folder in
            try IdentityFolder(state: folder).save(try authority.identity(url: URL(string: "https://x:1")!, life: 1000))
            let plane = TestPlane(authority: authority, life: 100_000_000)
            let clock = Clock()
            let gate = PollWake()
            let renewal = renewal(folder, plane, jitter: jitter, clock: clock)
            _ = gate
            try await running(renewal) { plane.state.withLock { $0.adopted.count >= 1 } }
            let first = clock.slept.withLock { $0.first ?? 0 }
            #expect(abs(first - 500 * jitter) < 5)
        }
    }

    @Test func `each renewal has a new key, and the identity on the disk is the one in use`() async throws {
        let authority = try TestAuthority()
        try await withTemporaryFolder { folder in
            // Lives of seconds, on the real clock: half of two seconds each.
            let first = try authority.identity(url: URL(string: "https://x:1")!, life: 2)
            try IdentityFolder(state: folder).save(first)
            let plane = TestPlane(authority: authority, life: 2)
            try await running(renewal(folder, plane)) { plane.state.withLock { $0.adopted.count >= 2 } }
            let adopted = plane.state.withLock { $0.adopted }
            #expect(Set(adopted.map { $0.key.reveal() } + [first.key.reveal()]).count == adopted.count + 1)
            #expect(try IdentityFolder(state: folder).load().key.reveal() == adopted.last?.key.reveal())
        }
    }

    @Test func `the control plane can ask for a renewal before it is due`() async throws {
        let authority = try TestAuthority()
        try await withTemporaryFolder { folder in
            try IdentityFolder(state: folder).save(try authority.identity(url: URL(string: "https://x:1")!))
            let plane = TestPlane(authority: authority)
            let request = CertificateRenewal.Request()
            request.fire()
            try await running(renewal(folder, plane, request: request)) { plane.state.withLock { $0.adopted.count == 1 } }
        }
    }

    @Test func `a failed renewal is tried again, later and later`() async throws {
        let authority = try TestAuthority()
        try await withTemporaryFolder { folder in
            try IdentityFolder(state: folder).save(try authority.identity(url: URL(string: "https://x:1")!, life: 1000))
            let plane = TestPlane(authority: authority, life: 100_000_000)
            plane.state.withLock { $0.renewErrors = [.timedOut, .unreachable("x"), .refused(APIError(.busy, "x"), status: 503)] }
            let clock = Clock()
            try await running(renewal(folder, plane, clock: clock)) { plane.state.withLock { $0.adopted.count >= 1 } }
            #expect(clock.slept.withLock { Array($0.dropFirst().prefix(3)) } == [1, 2, 4])
        }
    }

    @Test func `an agent whose certificate has ended stops and says what to do`() async throws {
        let authority = try TestAuthority()
        try await withTemporaryFolder { folder in
            try IdentityFolder(state: folder).save(try authority.identity(url: URL(string: "https://x:1")!, life: 1))
            let plane = TestPlane(authority: authority)
            plane.state.withLock { $0.renewErrors = [.certificateExpired] }
            let error = await #expect(throws: LinkError.self) { try await renewal(folder, plane, clock: Clock()).run() }
            #expect(words(AgentFault.refused(try #require(error))).contains("join again"))
        }
    }

    @Test func `a certificate that cannot be saved is used, not asked for again, and saved when there is room`() async throws {
        let authority = try TestAuthority()
        try await withTemporaryFolder { folder in
            let identities = IdentityFolder(state: folder)
            let first = try authority.identity(url: URL(string: "https://x:1")!)
            try identities.save(first)
            let plane = TestPlane(authority: authority)
            let request = CertificateRenewal.Request()
            let said = Said()
            let renewal = CertificateRenewal(
                folder: identities, link: plane, request: request, backoff: Backoff(draw: { _ in 0.02 }),
                logger: Logger(label: "test") { _ in said })
            let isFull = Mutex(true)
            let tap = DiskTap { step throws(DiskError) in
                // The last file of four.
                guard case .write(let file, _, _) = step, file.path.contains("identity.json"), isFull.withLock({ $0 }) else {
                    return
                }
                errno = ENOSPC
                throw DiskError("write", file)
            }
            try await DiskTap.$current.withValue(tap) {
                request.fire()
                try await running(renewal) {
                    guard said.count("cannot be saved") > 3 else { return false }
                    let generations = try? FileManager.default.contentsOfDirectory(
                        atPath: folder.appending(path: "identities").path)
                    if isFull.withLock({ $0 }) {
                        #expect((try? identities.load().key.reveal()) == first.key.reveal())
                        #expect((generations?.count ?? 0) <= 2, "one under way beside the old one")
                    }
                    isFull.withLock { $0 = false }
                    return (try? identities.load().key.reveal()) == plane.state.withLock { $0.adopted.last?.key.reveal() }
                }
            }
            #expect(plane.state.withLock { $0.renewals } == 1 && plane.state.withLock { $0.adopted.count } == 1)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "identities").path)
            #expect(left.count == 1)
        }
    }
}
