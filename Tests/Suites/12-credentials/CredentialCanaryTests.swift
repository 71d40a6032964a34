import FlowForgeBundle
import FlowForgeTestSupport
import Foundation
import Testing

/// Secrets stay on the agent, in memory: canaries that a task gets, prints and raises errors with are looked
/// for in everything that anybody keeps, and in what crosses the wire.
@Suite struct CredentialCanaryTests {
    private static let canaries = [
        "from_env": "Env-Canary 7731/+\"quoted\"", "from_file": "file-canary-0xDEADBEEF-line1\nfile-canary-line2-Kestrel\n",
        "from_aws": "aws canary&Peregrine=93%",
    ]

    private static let manifest = """
        bundle: {name: secretive, version: 1.0.0, description: what programs do with secrets}
        flows:
          good:
            tasks:
              talk:
                layer: bronze
                command: [bin/talk.py]
                credentials: [from_env, from_file, from_aws]
                output: bronze.talk
                checks:
                  - accepted_values: {column: text, values: [nothing], severity: warn}
          bad:
            tasks:
              fail:
                layer: bronze
                command: [bin/fail.py]
                credentials: [from_env, from_file, from_aws]
                output: bronze.fail
          quiet:
            tasks:
              fail: {layer: gold, command: [bin/fail.py, quiet], credentials: [from_env, from_file, from_aws], output: gold.fail}
          hidden:
            tasks:
              ask: {layer: bronze, command: [bin/talk.py], credentials: [not_allowed]}
          gone:
            tasks:
              ask: {layer: bronze, command: [bin/talk.py], credentials: [not_there]}
        """

    /// Says that it has each, and then says each in all ways.
    private static let talk = """
        #!/usr/bin/env python3
        import base64, hashlib, json, os, subprocess, sys, time, urllib.parse
        folder = os.environ["FLOWFORGE_CREDENTIALS_DIR"]
        for name in sorted(os.listdir(folder)):
            value = open(os.path.join(folder, name), "rb").read()
            text = value.decode()
            print(name, "has", hashlib.sha256(value).hexdigest()[:16], oct(os.stat(os.path.join(folder, name)).st_mode), flush=True)
            for stream in (sys.stdout, sys.stderr):
                print("plain", text, file=stream)
                print("base64", base64.b64encode(value).decode(), base64.urlsafe_b64encode(b"user:" + value).decode(), file=stream)
                print("url", urllib.parse.quote(value), urllib.parse.quote_plus(value), urllib.parse.quote(value, safe=""), file=stream)
                print("json", json.dumps({"password": text}), repr(text), value.hex(), file=stream)
                print("x" * (16384 - 20) + text.split("\\n")[0] + "x" * 50, file=stream)
                for character in "slowly " + text:
                    stream.write(character)
                    stream.flush()
                stream.write("\\n")
        if len(os.listdir(folder)) > 1 and os.environ.get("FLOWFORGE_OUTPUT"):
            everything = "|".join(open(os.path.join(folder, name)).read() for name in sorted(os.listdir(folder)))
            sql = "COPY (SELECT '{0}' AS text, '{0}' AS \\"{1}\\") TO '{2}/a.parquet'".format(
                everything.replace("'", "''"), everything.split("|")[0].replace('"', '""'), os.environ["FLOWFORGE_OUTPUT"])
            subprocess.run(["DUCKDB", "-c", sql], check=True)
        """

    /// Raises an error with one, and leaves DuckDB something to complain about that quotes the others.
    private static let fail = """
        #!/usr/bin/env python3
        import os, sys
        folder = os.environ["FLOWFORGE_CREDENTIALS_DIR"]
        read = lambda name: open(os.path.join(folder, name)).read()
        open(os.path.join(os.environ["FLOWFORGE_OUTPUT"], read("from_aws").replace("/", "_") + ".parquet"), "w").write(read("from_file"))
        print(read("from_env"), file=sys.stderr, end="")
        if sys.argv[1:] != ["quiet"]:
            raise RuntimeError("cannot log in with " + read("from_env"))
        """

    private static func forms(of value: String) -> [String] {
        let bytes = Data(value.utf8)
        let unreserved = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
        let lines = value.split(separator: "\n").map(String.init)
        let quoted = String(decoding: (try? JSONEncoder().encode(value)) ?? Data(), as: UTF8.self).dropFirst().dropLast()
        return lines + [
            value, bytes.base64EncodedString(), String(bytes.base64EncodedString().dropFirst(4).dropLast(4)), String(quoted),
            value.addingPercentEncoding(withAllowedCharacters: unreserved) ?? value,
            bytes.map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined(),
        ]
    }

    @Test(.timeLimit(.minutes(4))) func `secrets of tasks are nowhere but with the tasks`() async throws {
        let moto = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "FlowForgeAgentCoreTests/Credentials/moto_secrets.py")
        let aws = try #require(Self.canaries["from_aws"])
        try await SideProgram.running(moto, ["canary=\(String(decoding: try JSONEncoder().encode(["p": aws]), as: UTF8.self))"]) {
            line in
            let cloud = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
            try await Installation.up { it in
                try await Self.play(it, cloud)
                try Self.search(it)
            }
        }
    }

    private static func play(_ it: Installation, _ cloud: [String: String]) async throws {
        let bundle = it.folder.appending(path: "bundle")
        let secrets = it.folder.appending(path: "secrets")
        for folder in [bundle.appending(path: "bin"), secrets] {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        try manifest.write(to: bundle.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
        for (name, text) in ["talk": talk.replacing("DUCKDB", with: Checkout.duckdb), "fail": fail] {
            let file = bundle.appending(path: "bin/\(name).py")
            try (text + "\n").write(to: file, atomically: true, encoding: .utf8)
            chmod(file.path, 0o755)
        }
        let file = secrets.appending(path: "token")
        // The newline at a file's end is no part of the value.
        try (canaries["from_file"]! + "\n").write(to: file, atomically: true, encoding: .utf8)
        chmod(file.path, 0o600)

        try await it.recording(to: it.folder.appending(path: "traffic")) { port in
            try await it.withAgent(
                url: "https://127.0.0.1:\(port)",
                configuration: """
                    credentials:
                      allow_env: [CANARY, NOT_THERE]
                      allow_files: [\(secrets.path)]
                      aws: {region: \(cloud["region"]!), endpoint: "\(cloud["url"]!)"}
                    """,
                environment: [
                    "CANARY": canaries["from_env"]!, "AWS_ACCESS_KEY_ID": cloud["id"]!, "AWS_SECRET_ACCESS_KEY": cloud["key"]!,
                ]
            ) {
                try await it.mustFlowforge("env", "create", "dev", "--pool", "local")
                let refused = try await it.flowforge("deploy", bundle.path, "--env", "dev")
                #expect(refused.status != 0 && refused.errors.contains("from_aws"), "\(refused)")
                try await declare(
                    [
                        "from_env": "env://CANARY", "from_file": "file://\(file.path)", "from_aws": "aws-sm://canary#p",
                        "not_allowed": "env://AWS_SECRET_ACCESS_KEY", "not_there": "env://NOT_THERE",
                    ], it)
                try await it.mustFlowforge("deploy", "secretive@1.0.0", "--env", "dev")

                let good = try await it.mustFlowforge("run", "start", "good", "--env", "dev", "--watch")
                let log = try await it.mustFlowforge("run", "logs", try id(of: good))
                for (name, value) in canaries {
                    // The program had the right bytes, and what it printed says who they were.
                    let sum = try await execute(
                        "/usr/bin/python3",
                        ["-c", "import hashlib, sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest()[:16])", value])
                    #expect(
                        log.output.contains("\(name) has \(sum.output.trimmingCharacters(in: .whitespacesAndNewlines)) 0o100400"),
                        "\(name): \(log)")
                    #expect(log.output.contains("slowly [credential \(name)]"), "\(name)")
                    #expect(log.output.contains("base64 [credential \(name)]"), "\(name)")
                }
                for flow in ["bad", "quiet", "hidden", "gone"] {
                    let failed = try await it.flowforge("run", "start", flow, "--env", "dev", "--watch")
                    #expect(failed.status == 1, "\(failed)")
                    if ["hidden", "gone"].contains(flow) { #expect("\(failed)".contains("credential 'not_"), "\(failed)") }
                    for value in canaries.values.flatMap(forms) + [cloud["key"]!] {
                        #expect(!"\(failed) \(good) \(log)".contains(value), "people are shown '\(value)'")
                    }
                }
            }
        }
        // The folder is there, so this is where the agent has handed them over.
        #expect(try FileManager.default.contentsOfDirectory(atPath: handedOver(by: it)) == [], "what is left in memory")
    }

    /// Where this very agent puts secrets for its tasks; others of the machine have folders of their own.
    private static func handedOver(by it: Installation) -> String {
        let state = URL(filePath: it.agentState.path).resolvingSymlinksInPath().path(percentEncoded: false)
        let key = ContentDigest.of(Data(state.utf8)).dropFirst("sha256:".count).prefix(16)
        return "/dev/shm/flowforge-credentials-\(geteuid())-\(key)"
    }

    private static func search(_ it: Installation) throws {
        let recorded = try Data(contentsOf: it.folder.appending(path: "traffic"))
        #expect(recorded.range(of: Data("[credential from_aws]".utf8)) != nil, "the recording is of the agent's words")
        #expect(recorded.range(of: Data("aws-sm://canary#p".utf8)) != nil, "references cross the wire")
        // DuckDB complains about a file that is named by a secret; the agent's own log has all of it but that.
        let log = try Data(contentsOf: it.folder.appending(path: "flowforge-agent.log"))
        #expect(log.range(of: Data("[credential from_aws].parquet".utf8)) != nil)
        for value in canaries.values.flatMap(forms) {
            #expect(recorded.range(of: Data(value.utf8)) == nil, "'\(value)' crossed the wire")
            for place in [it.control, it.agentState] { #expect(try filesHolding(value, under: place) == [], "\(value)") }
            for log in ["flowforged.log", "flowforge-agent.log"] {
                #expect(
                    try Data(contentsOf: it.folder.appending(path: log)).range(of: Data(value.utf8)) == nil,
                    "'\(value)' is in \(log)")
            }
        }
    }

    private static func id(of run: CommandResult) throws -> String {
        String(try #require("\(run)".firstMatch(of: /run_[0-9a-z]{26}/)).output)
    }

    private static func declare(_ credentials: [String: String], _ it: Installation) async throws {
        let file = it.folder.appending(path: "dev.yaml")
        let lines = credentials.sorted { $0.key < $1.key }.map { "  \($0.key): \"\($0.value)\"\n" }.joined()
        try Data("environment: {name: dev}\npool: local\ncredentials:\n\(lines)".utf8).write(to: file)
        _ = try await it.mustFlowforge("env", "apply", "-f", file.path)
    }
}
