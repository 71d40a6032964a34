import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// Backups that are made under load and restored behind the agents' backs.
@Suite(.timeLimit(.minutes(10))) struct BackupFaultTests {
    /// Gives the control plane of `fleet` a sealing key and starts it again.
    private func sealed(_ fleet: Fleet) async throws -> Daemon {
        try await fleet.controlPlane.kill9()
        let key = fleet.folder.appending(path: "backup.key")
        try String(repeating: "0123456789abcdef", count: 4).write(to: key, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key.path)
        let file = fleet.control.appending(path: "flowforged.yaml")
        try
            (try String(contentsOf: file, encoding: .utf8)
            + "\nbackup:\n  sealing_key: \(key.path)\n  folder: \(backups(fleet).path)\n")
            .write(to: file, atomically: true, encoding: .utf8)
        return try await fleet.serve()
    }

    private func backups(_ fleet: Fleet) -> URL { fleet.folder.appending(path: "backups") }

    private func backUp(_ fleet: Fleet) async throws -> OperatorAPI.BackupView {
        let made = try await fleet.flowforge("admin", "backup", "--json")
        let view = try WireCoding.decode(OperatorAPI.BackupView.self, from: Data(made.output.utf8))
        #expect(view.warnings.isEmpty && view.hasSealedKey, "\(view)")
        return view
    }

    private func restore(_ fleet: Fleet, _ backup: OperatorAPI.BackupView, replace: Bool = false) async throws {
        let arguments =
            [
                "admin", "restore", backup.folder, "--data", fleet.control.path, "--sealing-key",
                fleet.folder.appending(path: "backup.key").path,
            ] + (replace ? ["--replace"] : [])
        let result = try await execute(Checkout.programs.appending(path: "flowforge").path, arguments)
        try #require(result.status == 0, "\(result)")
    }

    @Test func `a backup under load is one moment, and restored twice gives out no number again`() async throws {
        try await Fleet.up { fleet in
            var daemon = try await sealed(fleet)
            try await ControlPlaneLoad.with(fleet) { load in
                try await load.run(.milliseconds(700))
                // All that is acknowledged now must be in the backup; what follows must not harm it.
                async let more: Void = load.run(.seconds(3))
                let backup = try await backUp(fleet)
                let given = load.agents.reduce(0) { $0 + $1.fencing.count }
                try await more
                // Numbers that the backup does not know.
                while load.agents.reduce(0, { $0 + $1.fencing.count }) == given { try await load.run(.milliseconds(500)) }
                try await fleet.flowforge("admin", "check", backup.folder)
                try await fleet.requireSound(URL(filePath: backup.folder).appending(path: "flowforge.db"))
                let audit = try await fleet.client.audit(after: "0", action: "backup.create").items
                #expect(audit.last?.detail["manifestDigest"]?.string == backup.manifestDigest)
                let kept = Set(try await fleet.client.environments(limit: 1).items.map(\.name))

                for round in 1...2 {
                    try await FaultTally.fault("control-plane.restore") {
                        let fencing = load.agents.flatMap(\.fencing).max() ?? 0
                        let version = load.agents.flatMap(\.versions).max() ?? 0
                        let entry = try await lastAuditEntry(fleet)
                        try await daemon.kill9()
                        if round == 1 { try FileManager.default.removeItem(at: fleet.control) }
                        try await restore(fleet, backup, replace: round == 2)
                        daemon = try await fleet.serve()
                        #expect(kept.isSubset(of: Set(try await fleet.client.environments(limit: 500).items.map(\.name))))

                        // Agents are ahead of it, and are told so in words.
                        var told: [String] = []
                        let counts = load.agents.map(\.fencing.count)
                        for (agent, count) in zip(load.agents, counts) {
                            try await until("the agent works again", within: .seconds(30)) {
                                do { try await agent.step(outputs: ControlPlaneLoad.outputs) } catch let refused
                                    as WireAgent.Refused
                                {
                                    guard refused.error.metadata["restoredFrom"] == backup.name else { throw refused }
                                    told.append(refused.error.message)
                                    agent.restartSpool()
                                }
                                _ = try await fleet.client.startRun(.init(environment: "dev", flow: "writing"))
                                return agent.fencing.count > count + 2 ? true : nil
                            }
                            // Under its new spool; the next restore finds it ahead again.
                            try await agent.report()
                        }
                        let newest = try await until("a snapshot is published") {
                            for agent in load.agents { try await agent.step(outputs: ControlPlaneLoad.outputs) }
                            return load.agents.flatMap(\.versions).max().flatMap { $0 > version ? $0 : nil }
                        }
                        #expect(newest > 1_000_000_000_000, "a version that was never given out")
                        #expect(!told.isEmpty && told.allSatisfy { $0.contains("was restored at") }, "\(told)")
                        let new = zip(load.agents, counts).flatMap { $0.fencing.dropFirst($1) }
                        #expect(!new.isEmpty && new.allSatisfy { $0 > fencing }, "\(new) after \(fencing)")
                        let since = try await fleet.client.audit(after: "\(entry)", limit: 500).items
                        #expect(since.contains { $0.action == "control-plane.restore" && $0.subject == backup.name })
                        #expect(since.contains { $0.action == "spool.report" && $0.outcome == "refused" })
                        let tokens = try await fleet.client.joinTokens().items
                        #expect(tokens.allSatisfy { $0.revoked || $0.used == $0.uses }, "\(tokens)")
                    }
                }
            }
        }
    }

    private func lastAuditEntry(_ fleet: Fleet) async throws -> Int64 {
        var after: Int64 = 0
        while let last = try await fleet.client.audit(after: "\(after)", limit: 500).items.last { after = last.number }
        return after
    }

    @Test func `a running agent finds a restored control plane, says what is lost, and works on`() async throws {
        try await Fleet.up { fleet in
            let daemon = try await sealed(fleet)
            let agent = try await fleet.agent("one")
            let process = try await agent.start()
            let before = try await fleet.run("quick")
            #expect(try await fleet.ended(before).state == .succeeded)
            let backup = try await backUp(fleet)
            let after = try await fleet.run("quick")
            #expect(try await fleet.ended(after).state == .succeeded)
            try await daemon.kill9()
            try await FaultTally.fault("control-plane.restore_behind_agent") {
                try await restore(fleet, backup, replace: true)
                _ = try await fleet.serve()
                #expect(try await fleet.client.run(before).state == .succeeded)
                await #expect(throws: APIError.self) { try await fleet.client.run(after) }
                let again = try await fleet.run("quick")
                #expect(try await fleet.ended(again, within: .seconds(90)).state == .succeeded)
                #expect(process.said.contains("the control plane lacks earlier reports"), "\(process.said.suffix(3000))")
                #expect(process.said.contains("restored at"), "\(process.said.suffix(3000))")
            }
        }
    }

    @Test func `a killed restore is the old folder, the new one, or one that no control plane starts on`() async throws {
        try await Fleet.up { fleet in
            let daemon = try await sealed(fleet)
            let backup = try await backUp(fleet)
            try await fleet.flowforge("env", "create", "later", "--pool", "local")
            try await daemon.kill9()
            for _ in 1...FaultTally.rounds(3, long: 30) {
                try await FaultTally.fault("restore.kill") {
                    let restoring = try fleet.start(
                        "flowforge",
                        [
                            "admin", "restore", backup.folder, "--data", fleet.control.path, "--replace", "--sealing-key",
                            fleet.folder.appending(path: "backup.key").path,
                        ], named: "restore")
                    try await Task.sleep(for: .milliseconds(Int.random(in: 10...250)))
                    try await restoring.kill9()
                    let interrupted = FileManager.default.fileExists(atPath: fleet.control.appending(path: "restoring").path)
                    if interrupted {
                        let refused = try await execute(
                            Checkout.programs.appending(path: "flowforged").path,
                            ["serve", "--config", fleet.control.appending(path: "flowforged.yaml").path])
                        // A configuration that was moved away is as good a reason.
                        #expect(refused.status == 78, "\(refused)")
                        try await restore(fleet, backup, replace: true)
                    }
                    let again = try await fleet.serve()
                    let names = try await fleet.client.environments().items.map(\.name)
                    #expect(names.contains("dev"))
                    if interrupted { #expect(!names.contains("later")) }
                    try await again.kill9()
                    for name in try FileManager.default.contentsOfDirectory(atPath: fleet.control.path)
                    where name.hasPrefix("replaced-") {
                        try FileManager.default.removeItem(at: fleet.control.appending(path: name))
                    }
                }
            }
        }
    }

    @Test func `a control plane that is killed while it backs up leaves no backup that only looks whole`() async throws {
        try await Fleet.up { fleet in
            var daemon = try await sealed(fleet)
            for _ in 1...FaultTally.rounds(2, long: 20) {
                try await FaultTally.fault("backup.kill") {
                    let asking = try fleet.start(
                        "flowforge", ["admin", "backup"], named: "asking",
                        environment: ["XDG_CONFIG_HOME": fleet.folder.appending(path: "config").path])
                    try await Task.sleep(for: .milliseconds(Int.random(in: 50...400)))
                    try await daemon.kill9()
                    try await asking.end()
                    let names = (try? FileManager.default.contentsOfDirectory(atPath: backups(fleet).path)) ?? []
                    for name in names where !name.hasSuffix(".partial") {
                        try await fleet.flowforge("admin", "check", backups(fleet).appending(path: name).path)
                    }
                    daemon = try await fleet.serve()
                    _ = try await backUp(fleet)
                    let left = try FileManager.default.contentsOfDirectory(atPath: backups(fleet).path)
                    #expect(!left.contains { $0.hasSuffix(".partial") }, "\(left)")
                }
            }
        }
    }
}
