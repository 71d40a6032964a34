import FlowForgeProtocol
import Foundation
import NIOHTTP1
import Synchronization
import Testing

/// The program as its users run it, against a server that answers by script.
@Suite struct ProgramTests {
    private func error(_ result: Finished) throws -> APIError {
        try WireCoding.decode(ErrorBody.self, from: Data(result.errors.utf8)).error
    }

    @Test func `logging in by fingerprint pins the CA and keeps the context for the next command`() async throws {
        try await ScriptedServer.with({ _ in .ok(Samples.principal()) }) { server in
            try await Command.with { command in
                let login = try await command.run(
                    "login", "--url", server.url, "--ca-fingerprint", server.certificates.fingerprint, input: "secret-token\n")
                #expect(login.status == 0 && login.output.contains("as ada (owner)"), "\(login)")
                let who = try await command.run("whoami", "--json")
                #expect(who.status == 0, "\(who)")
                #expect(
                    who.output.hasSuffix("}\n") && who.output.contains("\"name\":\"ada\",\"revoked\":false,\"role\":\"owner\""),
                    "\(who)")
                #expect(server.requests.last?.headers["Authorization"] == ["Bearer secret-token"])
                let list = try await command.run("context", "list", "--json")
                #expect(list.output.contains(server.certificates.fingerprint) && !list.output.contains("secret-token"), "\(list)")
                #expect(try await command.run("context", "show").output.contains(server.url))
                #expect(try await command.run("logout").status == 0)
                #expect(try await command.run("whoami").status == 4)
            }
        }
    }

    @Test func `a token that the server refuses is not kept`() async throws {
        try await ScriptedServer.with({ _ in .refused(.unauthorized, APIError(.unauthenticated, "the token is not known")) }) {
            server in
            try await Command.with { command in
                let login = try await command.run(
                    "login", "--url", server.url, "--ca-fingerprint", server.certificates.fingerprint, "--token", "wrong")
                #expect(login.status == 4 && login.errors.contains("error: the token is not known"), "\(login)")
                #expect(!FileManager.default.fileExists(atPath: command.folder.appending(path: "flowforge/contexts.json").path))
            }
        }
    }

    @Test(arguments: [
        (HTTPResponseStatus.badRequest, ErrorCode.invalidRequest, 2), (.notFound, .notFound, 3),
        (.unauthorized, .unauthenticated, 4),
        (.forbidden, .forbidden, 4), (.conflict, .conflict, 5), (.conflict, .alreadyExists, 5), (.serviceUnavailable, .busy, 6),
        (.internalServerError, .internalError, 6), (.unprocessableEntity, .invalidBundle, 1), (.badRequest, "something_new", 1),
    ]) func `refusals have exit codes, and the API's own form with --json`(
        _ status: HTTPResponseStatus, _ code: ErrorCode, _ exit: Int
    ) async throws {
        let refusal = APIError(code, "it is so", hint: "do this", metadata: ["a": "b"])
        try await ScriptedServer.with({ _ in .refused(status, refusal) }) { server in
            try await Command.with(server) { command in
                let plain = try await command.run("env", "list")
                #expect(plain.status == exit && plain.output.isEmpty, "\(plain)")
                #expect(plain.errors == "error: it is so\nhint:  do this\n")
                let json = try await command.run("env", "list", "--json")
                #expect(json.status == exit && json.output.isEmpty)
                #expect(try error(json) == refusal)
            }
        }
    }

    @Test func `a server that is down is said to be, without a trace of the program's inside`() async throws {
        try await Command.with { command in
            var command = command
            command.environment = ["FLOWFORGE_URL": "https://127.0.0.1:1", "FLOWFORGE_TOKEN": "t"]
            let result = try await command.run("run", "list")
            #expect(
                result.status == 6 && result.errors.hasPrefix("error: nothing listens at https://127.0.0.1:1\nhint:"), "\(result)"
            )
            for inside in ["NIO", "Fatal", "swift", "Swift"] { #expect(!result.errors.contains(inside), "\(result)") }
            #expect(try error(try await command.run("run", "list", "--json")).code == "unreachable")
        }
    }

    @Test func `wrong usage ends with 2`() async throws {
        try await Command.with { command in
            var command = command
            command.environment = ["FLOWFORGE_URL": "https://127.0.0.1:1", "FLOWFORGE_TOKEN": "t"]
            for arguments in [
                ["bogus"], ["run", "start"], ["run", "list", "--limit", "0"],
                ["env", "create", "d", "--pool", "p", "--var", "x"],
                ["asset", "show", "nonsense", "--env", "dev"], ["principal", "revoke", "run_1"],
                ["run", "list", "--state", "lost"],
                ["lineage", "gold.a", "--env", "d", "--upstream", "--downstream"],
                ["login", "--url", "http://x", "--token", "t"],
            ] {
                let result = try await command.shell("\"$0\" " + arguments.joined(separator: " "))
                #expect(result.status == 2 && result.output.isEmpty && !result.errors.isEmpty, "\(arguments): \(result)")
            }
        }
    }

    @Test(arguments: [(RunState.succeeded, 0), (.failed, 1), (.cancelled, 7)]) func `watching ends as the run does`(
        _ state: RunState, _ exit: Int
    ) async throws {
        let looks = Mutex(0)
        try await ScriptedServer.with({ request in
            let look = looks.withLock {
                $0 += 1; return $0
            }
            // The second look fails as it would while the server restarts.
            if look == 2 { return .refused(.serviceUnavailable, APIError(.shuttingDown, "shutting down")) }
            let task = Samples.task(
                "flights", .silver, look < 3 ? .running : state == .succeeded ? .succeeded : .failed,
                attempts: [Samples.attempt(look < 3 ? .running : .succeeded)])
            return .ok(Samples.run(look < 3 ? .running : state, version: Int64(look), tasks: [task]))
        }) { server in
            try await Command.with(server) { command in
                let result = try await command.run("run", "watch", "\(Samples.run)")
                #expect(result.status == exit, "\(result)")
                #expect(
                    result.output.contains("● flights running on demo") && result.output.contains("medallion \(state.rawValue)"),
                    "\(result)")
                #expect(!result.output.contains("\u{1B}"))
            }
            #expect(server.requests.map(\.uri).last == "/api/v1/runs/\(Samples.run)?since=1&wait=20")
        }
    }

    @Test func `watching goes on until readers see what the run made`() async throws {
        try await ScriptedServer.with({ request in
            var run = Samples.run(.succeeded, version: request.uri.contains("since") ? 2 : 1, tasks: [])
            run.unpublished = run.version == 1 ? [AssetName("gold.x")].compactMap(\.self) : []
            return .ok(run)
        }) { server in
            try await Command.with(server) { command in
                let result = try await command.run("run", "watch", "\(Samples.run)")
                #expect(result.status == 0 && result.errors.isEmpty, "\(result)")
                #expect(result.output.split(separator: "\n").count == 1, "\(result)")
            }
            #expect(server.requests.map(\.uri).last == "/api/v1/runs/\(Samples.run)?since=1&wait=1")
            #expect(server.requests.count == 2)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `Ctrl-C ends the watching, and says that the run goes on`() async throws {
        let (looks, look) = AsyncStream<Void>.makeStream()
        try await ScriptedServer.with({ request in
            look.yield()
            return request.uri.contains("since") ? .silence : .ok(Samples.run(.running, tasks: []))
        }) { server in
            try await Command.with(server) { command in
                let result = try await command.interrupted("run", "watch", "\(Samples.run)") {
                    var number = 0
                    for await _ in looks {
                        number += 1
                        if number == 2 { break }
                    }
                }
                #expect(result.status == 130 && result.errors.contains("The run goes on"), "\(result)")
                #expect(server.requests.allSatisfy { $0.method == .GET }, "nothing was cancelled")
            }
        }
    }

    @Test func `lists are followed from page to page, and printed as the API has them`() async throws {
        let pages = (0..<3).map { page in
            OperatorAPI.Page(
                items: (0..<2).map { _ in Samples.run(.succeeded, version: Int64(page)) }, next: page < 2 ? "cursor \(page)" : nil
            )
        }
        try await ScriptedServer.with({ request in
            .ok(pages[request.uri.contains("cursor%200") ? 1 : request.uri.contains("cursor%201") ? 2 : 0])
        }) { server in
            try await Command.with(server) { command in
                let all = try await command.run("run", "list", "--all", "--json")
                let page = try WireCoding.decode(OperatorAPI.Page<OperatorAPI.RunView>.self, from: Data(all.output.utf8))
                #expect(page.items.map(\.version) == [0, 0, 1, 1, 2, 2] && page.next == nil)
                #expect(all.output.split(separator: "\n").count == 1)
                let table = try await command.run("run", "list")
                #expect(
                    table.status == 0 && table.output.hasPrefix("RUN  ") && table.output.split(separator: "\n").count == 7,
                    "\(table)")
            }
        }
    }

    @Test func `logs are followed to the run's end, and cannot steer the terminal`() async throws {
        let line: @Sendable (String, LogStream) -> OperatorAPI.RunLogLine = { text, stream in
            OperatorAPI.RunLogLine(task: "flights", attempt: 1, line: LogLine(at: Samples.now, stream: stream, text: text))
        }
        try await ScriptedServer.with({ request in
            request.uri.contains("after=1")
                ? .ok(OperatorAPI.LogPage(lines: [line("end", .system)], next: "2", complete: true))
                : .ok(
                    OperatorAPI.LogPage(
                        lines: [line("hello \u{1B}[2J", .stdout), line("oh", .stderr)], next: "1", complete: false))
        }) { server in
            try await Command.with(server) { command in
                let result = try await command.run("run", "logs", "\(Samples.run)", "--follow")
                #expect(result.status == 0)
                let texts = result.output.split(separator: "\n").map { String($0.dropFirst(9)) }
                #expect(texts == ["flights   hello ^[[2J", "flights ! oh", "flights * end"], "\(result)")
                let json = try await command.run("run", "logs", "\(Samples.run)", "--json")
                #expect(json.output.split(separator: "\n").count == 3)
                _ = try WireCoding.decode(OperatorAPI.RunLogLine.self, from: Data(json.output.split(separator: "\n")[0].utf8))
            }
        }
    }

    @Test func `a closed pipe ends it quietly`() async throws {
        try await Command.with { command in
            let result = try await command.shell("set -o pipefail; \"$0\" completions bash | head -n 1; exit ${PIPESTATUS[0]}")
            #expect([0, 141].contains(result.status) && result.errors.isEmpty, "\(result)")
            let full = try await command.shell("\"$0\" version >/dev/full")
            #expect(full.status == 1 && full.errors.contains("No space left on device"), "\(full)")
        }
    }

    @Test func `a folder is deployed by pushing what is missing and naming the digest`() async throws {
        let pushed = Mutex<String?>(nil)
        try await ScriptedServer.with({ request in
            switch (request.method, request.path) {
            case (.HEAD, _): return .json(.notFound, Data())
            case (.PUT, _): return .json(.created, Data())
            case (.POST, "/api/v1/bundles"):
                let digest = (try? WireCoding.decode(OperatorAPI.PushBundle.self, from: request.body))?.digest ?? ""
                pushed.withLock { $0 = digest }
                return .created(
                    OperatorAPI.BundleView(
                        bundle: .init(name: "nyc-flights", version: "1.0.0", digest: digest), description: "", bytes: 1,
                        pushedAt: Samples.now, pushedBy: "principal:ada", flows: nil))
            case (.POST, "/api/v1/environments/dev/releases"):
                let bundle = (try? WireCoding.decode(OperatorAPI.Deploy.self, from: request.body))?.bundle ?? ""
                return .created(
                    OperatorAPI.ReleaseView(
                        id: .make(at: Samples.now), environment: "dev",
                        bundle: .init(name: "nyc-flights", version: "1.0.0", digest: bundle),
                        serial: 1, createdAt: Samples.now, createdBy: "principal:ada", current: true))
            default: return .notFound
            }
        }) { server in
            try await Command.with(server) { command in
                let result = try await command.run("deploy", "Examples/nyc-flights", "--env", "dev", "--json")
                #expect(result.status == 0, "\(result)")
                let release = try WireCoding.decode(OperatorAPI.ReleaseView.self, from: Data(result.output.utf8))
                #expect(release.bundle.digest == pushed.withLock { $0 } && release.bundle.digest.hasPrefix("sha256:"))
                #expect(server.requests.count { $0.method == .PUT } == 3)
            }
        }
    }

    @Test func `all problems of a bundle are printed where editors find them`() async throws {
        try await Command.with { command in
            let folder = command.folder.appending(path: "bad")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data("name: bad\nversion: 1.0.0\nflowz: {}\n".utf8).write(to: folder.appending(path: "flowforge.yaml"))
            try Data("x".utf8).write(to: folder.appending(path: "unused.sql"))
            let result = try await command.run("bundle", "validate", folder.path)
            #expect(result.status == 1 && result.output.isEmpty, "\(result)")
            #expect(result.errors.contains("\(folder.path)/flowforge.yaml:3:1: error:"), "\(result)")
            let json = try await command.run("bundle", "validate", folder.path, "--json")
            #expect(try error(json).code == .invalidBundle)
            #expect(json.errors.contains("\"problems\":[{"))
            #expect(try await command.run("bundle", "validate", "/no/such/folder").status == 1)
            let built = try await command.run(
                "bundle", "build", "Examples/nyc-flights", "-o", command.folder.appending(path: "oci").path)
            #expect(built.status == 0 && built.output.contains("sha256:"), "\(built)")
            #expect(FileManager.default.fileExists(atPath: command.folder.appending(path: "oci/index.json").path))
        }
    }

    @Test func `a join token is printed once, with the command to paste`() async throws {
        let grant = OperatorAPI.JoinTokenGrant(
            id: .make(at: Samples.now), token: Secret("ffj_secret"), pool: "local", uses: 1,
            expiresAt: Date().addingTimeInterval(3600), caFingerprint: "sha256:ab", agentURL: "https://10.0.0.5:8443")
        try await ScriptedServer.with({ _ in .created(grant) }) { server in
            try await Command.with(server) { command in
                let result = try await command.run("agent", "token", "create", "--pool", "local", "--ttl", "1h", "--uses", "1")
                #expect(result.status == 0 && result.output.hasPrefix("ffj_secret\n"), "\(result)")
                #expect(result.output.contains("flowforge-agent join --url https://10.0.0.5:8443 --pool local"))
                let sent = try WireCoding.decode(OperatorAPI.CreateJoinToken.self, from: server.requests[0].body)
                #expect(sent.ttlSeconds == 3600 && sent.uses == 1)
            }
        }
    }
}
