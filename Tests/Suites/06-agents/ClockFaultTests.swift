import FlowForgeClient
import FlowForgeProtocol
import FlowForgeServer
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// Machines whose wall clocks are wrong: whole processes under a shim of ours that shifts what they read.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ClockFaultTests {
    /// Shifts the wall clock of the programs that it is loaded into, and no other clock.
    private static let shim = #"""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <sys/time.h>
        #include <time.h>

        static long shift(void) {
            const char *text = getenv("FLOWFORGE_TEST_CLOCK_SHIFT");
            return text ? atol(text) : 0;
        }

        int clock_gettime(clockid_t clock, struct timespec *out) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int result = real(clock, out);
            if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += shift();
            return result;
        }

        int gettimeofday(struct timeval *restrict out, void *restrict zone) {
            struct timespec now;
            (void)zone;
            if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
            out->tv_sec = now.tv_sec;
            out->tv_usec = now.tv_nsec / 1000;
            return 0;
        }

        time_t time(time_t *out) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (out) *out = now.tv_sec;
            return now.tv_sec;
        }
        """#

    /// The environment of a program whose clock is so many seconds ahead.
    static func shifted(by seconds: Int, in folder: URL) async throws -> [String: String] {
        let library = folder.appending(path: "clock.so")
        if !FileManager.default.fileExists(atPath: library.path) {
            let source = folder.appending(path: "clock.c")
            try shim.write(to: source, atomically: true, encoding: .utf8)
            let built = try await execute(
                "cc", ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library.path, source.path, "-ldl"])
            try #require(built.status == 0, "\(built)")
        }
        return ["LD_PRELOAD": library.path, "FLOWFORGE_TEST_CLOCK_SHIFT": "\(seconds)"]
    }

    @Test(arguments: [3600, -3600])
    func `an agent whose clock is an hour off works, keeps its leases and says so`(seconds: Int) async throws {
        try await Fleet.up { fleet in
            let shifted = try await Self.shifted(by: seconds, in: fleet.folder)
            var agent = try await fleet.agent("off")
            agent.environment = shifted
            try await FaultTally.fault("clock.hour_off") {
                let daemon = try await agent.start()
                let run = try await fleet.run("gated")
                try await fleet.trace("start")
                // Longer than a lease: the agent counts it on its monotonic clock, the control plane on its own.
                try await Task.sleep(for: .seconds(fleet.settings.heldLease + 2))
                try fleet.go()
                let ended = try await fleet.ended(run)
                try #require(ended.state == .succeeded && ended.tasks?[0].attempts.count == 1, "\(ended)")
                let attempt = try #require(ended.tasks?[0].attempts[0])
                // What the control plane decides by is its own time.
                try #require(abs((attempt.finishedAt ?? .distantPast).timeIntervalSinceNow) < 60)
                try #require(daemon.said.contains("clock differs"), "\(daemon.said)")
                daemon.send(SIGTERM)
                try #require(try await daemon.end() == 0)
            }
        }
    }

    @Test func `a certificate that expired while the agent was away is replaced by joining again, and its reports arrive`()
        async throws
    {
        try await Fleet.up { fleet in
            // A day and an hour later.
            let later = try await Self.shifted(by: 25 * 3600, in: fleet.folder)
            var agent = try await fleet.agent("away")
            var daemon = try await agent.start()
            let run = try await fleet.run("gated")
            let lines = try await fleet.trace("start")
            try await FaultTally.fault("certificate.expired_offline") {
                // The control plane is gone, the task ends, its outcome stays in the spool, and the agent too is stopped.
                try await fleet.controlPlane.kill9()
                try fleet.go()
                try await fleet.trace("end")
                try await until("the outcome is in the spool") { daemon.said.contains("attempt finished") ? true : nil }
                daemon.send(SIGTERM)
                try #require(try await daemon.end() == 0)
                try #require(daemon.said.contains("reports unsent"), "\(daemon.said)")

                // The agent sees by itself that it is too late.
                agent.environment = later
                daemon = try agent.launch()
                try #require(try await daemon.end() == 77)
                try #require(daemon.said.contains("certificate expired at"), "\(daemon.said)")
                try #require(daemon.said.contains("join again with a new token"), "\(daemon.said)")

                // From its start the control plane waits for reports for a while: nothing slow comes between.
                try await fleet.startControlPlane(environment: later)
                let again = try await FleetAgent.join(fleet, name: "away", environment: later)
                try #require(again.id == agent.id)
                daemon = try await agent.start()
                let ended = try await fleet.ended(run)
                // Within the control plane's grace the outcome counts; the work is not done again.
                try #require(ended.state == .succeeded && ended.tasks?[0].attempts.map(\.state) == [.succeeded], "\(ended)")
                try #require(fleet.traces("start").count == 1 && fleet.traces("end").map { $0[2] } == [lines[2]])
                let counted = try await fleet.log(run).filter { $0.hasPrefix("line ") }
                try #require(counted == counted.indices.map { "line \($0)" } && !counted.isEmpty)
            }
        }
    }

    @Test func `an agent whose clock was set back renews when the control plane asks`() async throws {
        try await TestControlPlane.run(
            configure: {
                // The first poll that is held, for 25 s, ends in its last third.
                $0.agentCertificateLifetime = .seconds(36)
            },
            { plane in
                try await withTemporaryFolder { folder in
                    // The certificate ages from the joining: what takes long is done before.
                    let setBack = try await Self.shifted(by: -3600, in: folder)
                    let token = try await plane.joinToken(pool: "local")
                    let state = folder.appending(path: "agent")
                    let joined = try await execute(
                        Checkout.programs.appending(path: "flowforge-agent").path,
                        [
                            "join", "--url", plane.agentURL, "--ca-fingerprint", token.caFingerprint, "--pool", "local",
                            "--state-dir", state.path,
                        ], environment: ["FLOWFORGE_JOIN_TOKEN": token.token.reveal()])
                    try #require(joined.status == 0, "\(joined)")
                    let configuration = folder.appending(path: "agent.yaml")
                    try """
                    control_plane: {url: "\(plane.agentURL)"}
                    state_dir: \(state.path)
                    lake: {root: \(folder.path)/lake}
                    engines: {duckdb: {executable: "\(Checkout.duckdb)"}}
                    """.write(to: configuration, atomically: true, encoding: .utf8)
                    try await FaultTally.fault("clock.set_back") {
                        // By its own clock the certificate is good for another hour.
                        let daemon = try Daemon(
                            "flowforge-agent", ["run", "--config", configuration.path],
                            environment: setBack, log: folder.appending(path: "agent.log"))
                        do {
                            try await daemon.ready()
                            try await until("the renewal; it said \(daemon.said)", within: .seconds(45)) {
                                try await plane.store.read { try $0.audit.list(action: "agent.renew", limit: 10) }.isEmpty
                                    ? nil : true
                            }
                            try #require(!daemon.hasEnded)
                        } catch {
                            try await daemon.kill9()
                            throw error
                        }
                        daemon.send(SIGTERM)
                        try #require(try await daemon.end() == 0)
                    }
                }
            })
    }
}
