import Foundation
import Subprocess
import SystemPackage
import Testing

/// A control plane and an agent as separate processes of this build, on loopback, in one folder.
struct Installation: Sendable {
    let folder: URL
    let agentPort: Int
    let operatorPort: Int

    /// What the control plane's data lies on; a test may mount something there.
    var disk: URL { folder.appending(path: "disk") }
    var control: URL { disk.appending(path: "control") }
    var lake: URL { folder.appending(path: "lake") }
    var agentState: URL { folder.appending(path: "agent") }

    /// `flowforge …` as a logged-in owner.
    func flowforge(_ arguments: String...) async throws -> CommandResult {
        try await execute(
            Checkout.programs.appending(path: "flowforge").path, arguments,
            environment: ["XDG_CONFIG_HOME": folder.appending(path: "config").path, "NO_COLOR": "1"])
    }

    /// The same, which must succeed.
    @discardableResult
    func mustFlowforge(_ arguments: String...) async throws -> CommandResult {
        let result = try await execute(
            Checkout.programs.appending(path: "flowforge").path, arguments,
            environment: ["XDG_CONFIG_HOME": folder.appending(path: "config").path, "NO_COLOR": "1"])
        try #require(result.status == 0, "flowforge \(arguments.joined(separator: " ")): \(result)")
        return result
    }

    /// Runs `body` while `flowforged` serves and the command line is logged in to it. Ends both with
    /// SIGTERM, and requires that they end well. With `diskMiB` the control plane's disk has that size
    /// and no more, which only root can arrange. `configuration` is told the folder and gives what is added to the control
    /// plane's.
    static func up<Result: Sendable>(
        diskMiB: Int? = nil, configuration: (URL) async throws -> String = { _ in "" },
        _ body: @Sendable @escaping (Installation) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryFolder { folder in
            let (agentPort, operatorPort) = try FreePorts.pair()
            let it = Installation(folder: folder, agentPort: agentPort, operatorPort: operatorPort)
            try FileManager.default.createDirectory(at: it.disk, withIntermediateDirectories: true)
            if let diskMiB {
                let mounted = mount("tmpfs", it.disk.path, "tmpfs", 0, "size=\(diskMiB)m")
                try #require(mounted == 0, "mount: \(String(cString: strerror(errno)))")
            }
            defer { if diskMiB != nil { umount2(it.disk.path, Int32(MNT_DETACH)) } }
            let made = try await execute(
                Checkout.programs.appending(path: "flowforged").path,
                [
                    "init", "--data", it.control.path, "--agent-listen", "127.0.0.1:\(agentPort)", "--operator-listen",
                    "127.0.0.1:\(operatorPort)", "--token-file", folder.appending(path: "token").path,
                ])
            try #require(made.status == 0, "\(made)")
            let file = it.control.appending(path: "flowforged.yaml")
            let added = try await configuration(folder)
            try (String(contentsOf: file, encoding: .utf8) + added).write(to: file, atomically: true, encoding: .utf8)
            return try await daemon(
                "flowforged", ["serve", "--config", it.control.appending(path: "flowforged.yaml").path], in: folder
            ) {
                try await it.mustFlowforge(
                    "login", "--url", "https://127.0.0.1:\(operatorPort)", "--token-file", folder.appending(path: "token").path,
                    "--ca-file", it.control.appending(path: "ca.pem").path)
                return try await body(it)
            }
        }
    }

    /// A bundle of one flow `all` of two tasks, the second of which has `more` too: `bronze.seed` has four rows, `gold.total` their
    /// sum, 6.
    func twoTables(_ name: String, more: String = "") throws -> URL {
        let bundle = folder.appending(path: name)
        try FileManager.default.createDirectory(at: bundle, withIntermediateDirectories: true)
        let manifest = """
            bundle: {name: \(name), version: 1.0.0, description: two tables}
            flows:
              all:
                tasks:
                  seed: {layer: bronze, sql: seed.sql, output: bronze.seed}
                  total: {layer: gold, sql: total.sql, inputs: [bronze.seed], output: gold.total\(more)}
            """
        for (file, text) in [
            "flowforge.yaml": manifest, "seed.sql": "SELECT range AS n FROM range(4)\n",
            "total.sql": "SELECT sum(n) AS total FROM bronze.seed\n",
        ] { try Data(text.utf8).write(to: bundle.appending(path: file)) }
        return bundle
    }

    /// What ``twoTables(_:more:)`` has come to, by DuckDB.
    func total(in root: URL) async throws -> String {
        let pointer = root.appending(path: "gold/total/current").path
        return try await execute(
            Checkout.duckdb, ["-csv", "-noheader", "-c", "SELECT total FROM read_parquet('\(pointer)/**/*.parquet')"]
        ).output
    }

    /// Declares an environment of pool `local`; `rest` is what else its file says.
    func apply(_ name: String, _ rest: String) async throws -> CommandResult {
        let file = folder.appending(path: "\(name).yaml")
        try Data("environment: {name: \(name)}\npool: local\n\(rest)\n".utf8).write(to: file)
        return try await flowforge("env", "apply", "-f", file.path)
    }

    func declare(_ name: String, _ rest: String = "") async throws {
        let applied = try await apply(name, rest)
        try #require(applied.status == 0, "\(applied)")
    }

    /// Joins an agent, of pool `local` unless told otherwise, and runs `body` while it polls. `url` is where it dials, the
    /// control plane itself unless something stands between them. With `again` the machine has joined
    /// before and joins as a new agent. `configuration` is added to its agent.yaml, `environment` to its own.
    func withAgent<Result: Sendable>(
        pool: String? = nil, url: String? = nil, again: Bool = false, configuration more: String = "",
        lakeRoots: [String: URL] = [:],
        environment: [String: String] = [:], _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result {
        let folder = pool.map { self.folder.appending(path: $0) } ?? folder
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let state = pool == nil ? agentState : folder.appending(path: "state")
        let grant = try await mustFlowforge(
            "agent", "token", "create", "--pool", pool ?? "local", "--ttl", "10m", "--uses", "1", "--json")
        let fields = try #require(JSONSerialization.jsonObject(with: Data(grant.output.utf8)) as? [String: Any])
        let joined = try await execute(
            Checkout.programs.appending(path: "flowforge-agent").path,
            [
                "join", "--url", "https://127.0.0.1:\(agentPort)", "--ca-fingerprint",
                try #require(fields["caFingerprint"] as? String),
                "--pool", pool ?? "local", "--name", pool ?? "suite", "--state-dir", state.path,
            ] + (again ? ["--force"] : []), environment: ["FLOWFORGE_JOIN_TOKEN": try #require(fields["token"] as? String)])
        try #require(joined.status == 0, "\(joined)")
        let configuration = folder.appending(path: "agent.yaml")
        let roots = lakeRoots.map { "\($0.key): \($0.value.path)" }.joined(separator: ", ")
        try """
        control_plane:
          url: \(url ?? "https://127.0.0.1:\(agentPort)")
        state_dir: \(state.path)
        lake:
          root: \(lake.path)
          roots: {\(roots)}
        slots: 2
        engines:
          duckdb:
            executable: \(Checkout.duckdb)
        \(more)
        """.write(to: configuration, atomically: true, encoding: .utf8)
        return try await Self.daemon(
            "flowforge-agent", ["run", "--config", configuration.path], in: folder, environment: environment, body)
    }

    private static func daemon<Result: Sendable>(
        _ program: String, _ arguments: [String], in folder: URL, environment: [String: String] = [:],
        _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result {
        let socket = try NotifySocket(folder.appending(path: "\(program).sock").path)
        let log = folder.appending(path: "\(program).log")
        let output = try FileDescriptor.open(
            FilePath(log.path), .writeOnly, options: [.create, .append], permissions: [.ownerReadWrite])
        defer { try? output.close() }
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(40))]
        let result = try await Subprocess.run(
            .path(FilePath(Checkout.programs.appending(path: program).path)), arguments: Arguments(arguments),
            environment: .inherit.updating(
                Dictionary(
                    uniqueKeysWithValues: environment.merging(["NOTIFY_SOCKET": socket.path]) { $1 }.map {
                        (Environment.Key(stringLiteral: $0.key), $0.value)
                    })), platformOptions: options, input: .none,
            output: .fileDescriptor(output, closeAfterSpawningProcess: false),
            error: .fileDescriptor(output, closeAfterSpawningProcess: false)
        ) { execution -> Swift.Result<Result, any Error> in
            let outcome: Swift.Result<Result, any Error>
            do {
                try await socket.ready()
                outcome = .success(try await body())
            } catch {
                outcome = .failure(error)
            }
            try execution.send(signal: .terminate)
            return outcome
        }
        let said = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        #expect(result.terminationStatus == .exited(0), "\(program) ended with \(result.terminationStatus)\n\(said.suffix(2000))")
        do {
            return try result.closureResult.get()
        } catch {
            Issue.record("\(program) said:\n\(said.suffix(3000))")
            throw error
        }
    }
}
