import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import NIOHTTP1
import Synchronization
import Testing

/// Environment files, plans and drift, as people at a terminal and pipelines use them.
@Suite struct PromotingTests {
    private func error(_ result: Finished) throws -> APIError {
        try WireCoding.decode(ErrorBody.self, from: Data(result.errors.utf8)).error
    }

    /// Files in a folder of the command's.
    private func files(_ contents: [String: String], _ command: Command) throws -> String {
        let folder = command.folder.appending(path: "files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, text) in contents { try Data(text.utf8).write(to: folder.appending(path: name)) }
        return folder.path
    }

    // MARK: Environment files

    @Test func `of a folder, values that another file names declare no environment`() async throws {
        try await ScriptedServer.with({ _ in
            .ok(OperatorAPI.AppliedEnvironment(environment: nil, created: true, changes: []))
        }) { server in
            try await Command.with(server) { command in
                let folder = try files(
                    [
                        "base.yaml": "batch_size: 5\n",
                        "prod.yaml": "environment: {name: prod}\npool: local\nconfig: {defaults: [base.yaml]}\n",
                    ], command)
                let result = try await command.run("env", "apply", "-f", folder)
                #expect(result.status == 0, "\(result)")
                #expect(server.requests.map(\.path) == ["/api/v1/environments/prod"])
                let sent = try #require(server.requests.first)
                #expect(String(decoding: sent.body, as: UTF8.self).contains("batch_size"))
                // Named itself, it is to be an environment.
                let alone = try await command.run("env", "apply", "-f", "\(folder)/base.yaml")
                #expect(alone.status == 1, "\(alone)")
            }
        }
    }

    @Test func `problems of environment files are theirs, and one that is declared twice is told once`() async throws {
        try await ScriptedServer.with({ _ in .notFound }) { server in
            try await Command.with(server) { command in
                let qa = "environment: {name: qa}\npool: local\n"
                let folder = try files(["a.yaml": qa, "b.yaml": qa, "c.yaml": "pool: local\n"], command)
                let result = try await command.run("env", "apply", "-f", folder, "--json")
                #expect(result.status == 1 && server.requests.isEmpty, "\(result)")
                #expect(try error(result).code == "invalid_environment")
                #expect(result.errors.components(separatedBy: "is declared twice").count == 2, "\(result)")
                #expect(result.errors.contains("c.yaml"), "\(result)")
            }
        }
    }

    // MARK: Plans

    @Test func `a folder that is planned is signed on the way, where there is a key`() async throws {
        let pushed = Mutex<OperatorAPI.PushBundle?>(nil)
        try await ScriptedServer.with({ request in
            switch (request.method, request.path) {
            case (.HEAD, _): return .json(.notFound, Data())
            case (.PUT, _): return .json(.created, Data())
            case (.POST, "/api/v1/bundles"):
                guard let push = try? WireCoding.decode(OperatorAPI.PushBundle.self, from: request.body) else { return .notFound }
                pushed.withLock { $0 = push }
                return .created(
                    OperatorAPI.BundleView(
                        bundle: .init(name: "nyc-flights", version: "1.0.0", digest: push.digest), description: "", bytes: 1,
                        pushedAt: Samples.now, pushedBy: "principal:ada", flows: nil))
            default: return .notFound
            }
        }) { server in
            try await Command.with(server) { command in
                let key = command.folder.appending(path: "ci").path
                #expect(try await command.run("key", "generate", "-o", key).status == 0)
                let arguments = ["plan", "--env", "dev", "--bundle", "Examples/nyc-flights"]
                let plain = try await command.shell("\"$0\" " + arguments.joined(separator: " "))
                // The bundle is pushed; that there is no such environment is this server's answer to the rest.
                let unsigned = try #require(pushed.withLock { $0 }, "\(plain)")
                #expect(plain.status == 1 && unsigned.attestations == nil, "\(plain)")
                _ = try await command.shell("\"$0\" " + (arguments + ["--key", key]).joined(separator: " "))
                #expect(pushed.withLock { $0?.attestations?.count } == 1)
            }
        }
    }

    @Test func `no error of plan looks like a plan with changes`() async throws {
        try await Command.with { command in
            var command = command
            command.environment = ["FLOWFORGE_URL": "https://127.0.0.1:1", "FLOWFORGE_TOKEN": "t"]
            for (line, status) in [
                ("--json plan --env dev", 1), ("--context c plan", 1), ("plan", 1), ("plan bogus", 1), ("plan make", 1),
                ("plan --env dev", 1), ("plan show", 2), ("plan list --limit 0", 2), ("--json run start", 2),
            ] {
                let result = try await command.shell("\"$0\" \(line)")
                #expect(result.status == status, "\(line): \(result)")
            }
            // The reader is gone before the first byte.
            let closed = try await command.shell("exec 3> >(:); wait $!; \"$0\" plan --help >&3")
            #expect(closed.status == 141, "\(closed)")
        }
    }

    @Test func `a plan's file is applied as it is, with what this program does not know`() async throws {
        try await ScriptedServer.with({ _ in .notFound }) { server in
            try await Command.with(server) { command in
                let text = #"{"format": 1, "environment": "prod", "fromTheFuture": {"b": [1, 2.5], "a": null}}"#
                let folder = try files(["plan.json": text, "list.json": "[]"], command)
                let result = try await command.run("apply", "\(folder)/plan.json")
                #expect(result.status == 3, "\(result)")
                let sent = try WireCoding.decode(
                    OperatorAPI.RequestPromotion.self, from: try #require(server.requests.first).body)
                let json = try WireCoding.decode(JSONValue.self, from: Data(text.utf8))
                #expect(sent.plan == ContentDigest.of(try WireCoding.encode(json)))
                #expect(try await command.run("apply", "\(folder)/list.json").status == 2)
                #expect(server.requests.count == 1)
            }
        }
    }

    // MARK: Drift

    @Test func `where nobody has looked nothing is said to be well`() async throws {
        let looked = Mutex(false)
        try await ScriptedServer.with({ _ in
            let at = looked.withLock { $0 } ? Samples.now : nil
            return .ok(OperatorAPI.DriftView(environment: "prod", lookedAt: at, findings: []))
        }) { server in
            try await Command.with(server) { command in
                let never = try await command.run("drift", "show", "--env", "prod", "--exit-code")
                #expect(never.status == 1 && never.output.contains("Nobody has looked"), "\(never)")
                #expect(try await command.run("drift", "show", "--env", "prod").status == 0)
                looked.withLock { $0 = true }
                let well = try await command.run("drift", "show", "--env", "prod", "--exit-code")
                #expect(well.status == 0 && well.output.contains("has drifted. Looked "), "\(well)")
            }
        }
    }
}
