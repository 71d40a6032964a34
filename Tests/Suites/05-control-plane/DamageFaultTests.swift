import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// A disk that is full, and a database with bytes that nobody wrote.
@Suite(.timeLimit(.minutes(2))) struct DamageFaultTests {
    /// Status and text of `/readyz`.
    private func readiness(_ port: Int) async throws -> String {
        let result = try await execute(
            Checkout.python,
            [
                "-c",
                """
                import ssl, sys, urllib.request, urllib.error
                context = ssl._create_unverified_context()
                try: answer = urllib.request.urlopen("https://127.0.0.1:\(port)/readyz", context=context)
                except urllib.error.HTTPError as error: answer = error
                print(answer.status, answer.read().decode())
                """,
            ])
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func `a damaged page is said so by all that meets it, and the rest goes on`() async throws {
        try await Fleet.up { fleet in
            try await ControlPlaneLoad.with(fleet, agents: 1) { load in
                // A log to be damaged, however slow the machine is.
                repeat { try await load.run(.milliseconds(400)) } while load.agents[0].finished.isEmpty
            }
            let run = try #require(try await fleet.client.runs(limit: 500).items.last { $0.state == .succeeded }).id
            fleet.controlPlane.send(SIGTERM)
            #expect(try await fleet.controlPlane.end() == 0)
            let sound = fleet.folder.appending(path: "sound.db")
            let log = try? FileManager.default.attributesOfItem(atPath: fleet.database.path + "-wal")[.size] as? Int
            #expect((log ?? 0) == 0, "a stopped database is one file")
            try FileManager.default.copyItem(at: fleet.database, to: sound)
            try await FaultTally.fault("database.damaged_page") {
                _ = try await Disk.script("damage", fleet.database.path, "log_chunk")
                let daemon = try await fleet.serve()
                let error = await #expect(throws: APIError.self) { try await fleet.client.logs(of: run) }
                #expect(
                    error?.code == .storageDamaged && error?.hint?.contains("restore") == true, "\(String(describing: error))")
                #expect(try await fleet.client.run(run).state == .succeeded)
                _ = try await fleet.client.createEnvironment(.init(name: "still", pool: "local"))
                #expect(try await readiness(fleet.operatorPort) == "503 the database is damaged: restore a backup")
                let backup = await #expect(throws: APIError.self) { try await fleet.client.makeBackup() }
                #expect(backup?.code == .storageDamaged, "\(String(describing: backup))")
                let backups = fleet.control.appending(path: "backups")
                #expect(try FileManager.default.contentsOfDirectory(atPath: backups.path).isEmpty)
                #expect(daemon.said.contains("the database is damaged"))
                try await daemon.kill9()
            }
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: fleet.database.path + suffix) }
            try FileManager.default.moveItem(at: sound, to: fleet.database)
        }
    }

    @Test func `a database that cannot be opened is refused with what to do, and left alone`() async throws {
        try await Fleet.up { fleet in
            // Stopped well, so that all is in the one file.
            fleet.controlPlane.send(SIGTERM)
            #expect(try await fleet.controlPlane.end() == 0)
            let sound = try Data(contentsOf: fleet.database)
            try await FaultTally.fault("database.damaged_header") {
                var damaged = sound
                damaged.replaceSubrange(0..<4096, with: Data(repeating: 0x5A, count: 4096))
                try damaged.write(to: fleet.database)
                let refused = try await execute(
                    Checkout.programs.appending(path: "flowforged").path,
                    ["serve", "--config", fleet.control.appending(path: "flowforged.yaml").path])
                #expect(refused.status == 78 && refused.errors.contains("restore it from a backup"), "\(refused)")
                #expect(try Data(contentsOf: fleet.database) == damaged)
            }
            try sound.write(to: fleet.database)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can mount a small disk"))
    func `what agents report while the disk is full arrives when there is room, without a restart`() async throws {
        try await Installation.up(diskMiB: 8) { it in
            let bundle = it.folder.appending(path: "bundle")
            let gate = it.folder.appending(path: "go")
            try FileManager.default.createDirectory(at: bundle.appending(path: "bin"), withIntermediateDirectories: true)
            try """
            bundle: {name: small, version: 1.0.0}
            flows: {only: {tasks: {wait: {layer: bronze, engine: command, command: [bin/wait.sh]}}}}
            """.write(to: bundle.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
            let script = bundle.appending(path: "bin/wait.sh")
            try
                "#!/bin/bash\nuntil [ -e \(gate.path) ]; do sleep 0.05; done\nhead -c 3000000 /dev/zero | tr '\\0' 'a' | fold -w 1000\n"
                .write(to: script, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
            try await it.mustFlowforge("env", "create", "dev", "--pool", "local")
            try await it.mustFlowforge("deploy", bundle.path, "--env", "dev")
            _ = try await it.withAgent {
                try await it.mustFlowforge("run", "start", "only", "--env", "dev")
                try await until("the task runs") {
                    try await it.mustFlowforge("run", "list", "--json").output.contains("\"running\"") ? true : nil
                }
                let filler = it.disk.appending(path: "filler")
                try await FaultTally.fault("disk.full") {
                    #expect(FileManager.default.createFile(atPath: filler.path, contents: nil))
                    let file = try FileHandle(forWritingTo: filler)
                    #expect(throws: (any Error).self) {
                        while true { try file.write(contentsOf: Data(repeating: 0, count: 4096)) }
                    }
                    try file.close()
                    try Data().write(to: gate)
                    // Three megabytes of log do not fit; the agent keeps them.
                    let log = it.folder.appending(path: "flowforge-agent.log")
                    try await until("the agent is refused") {
                        let said = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
                        return said.contains("storage_full") ? true : nil
                    }
                    #expect(try await it.mustFlowforge("run", "list", "--json").output.contains("\"running\""))
                    try FileManager.default.removeItem(at: filler)
                    try await it.mustFlowforge("run", "watch", "latest", "--timeout", "60")
                    #expect(try await readiness(it.operatorPort) == "200 ready")
                    let lines = try await it.mustFlowforge("run", "logs", "latest").output
                    #expect(lines.split(separator: "\n").count { $0.contains("aaaa") } == 3000)
                }
            }
        }
    }
}
