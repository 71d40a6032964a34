import FlowForgeServer
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Glibc
import NIOCore
import NIOPosix
import Testing

/// The real executable: how it is set up, and what it refuses to start on.
@Suite struct DaemonTests {
    private static let program = Checkout.program("flowforged")

    @Test func `init makes a private folder and prints the token once`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            let ran = try await Self.initialize(data)
            #expect(ran.status == 0, "\(ran)")
            #expect(ran.output.contains("ff_"))
            #expect(ran.output.contains("sha256:"))
            let modes = try ["", "ca.key", "server.key"].map {
                try FileManager.default.attributesOfItem(atPath: data.appending(path: $0).path)[.posixPermissions] as? Int
            }
            #expect(modes == [0o700, 0o600, 0o600])
            let token = try #require(ran.output.firstMatch(of: /ff_[A-Za-z0-9_-]{43}/)).output
            for file in try FileManager.default.contentsOfDirectory(at: data, includingPropertiesForKeys: nil) {
                #expect(try Data(contentsOf: file).firstRange(of: Data(token.utf8)) == nil, "\(file.lastPathComponent)")
            }
            let checked = try await Ran.program(
                Self.program, ["serve", "--check", "--config", data.appending(path: "flowforged.yaml").path])
            #expect(checked.status == 0, "\(checked)")
        }
    }

    @Test func `init where a control plane is changes nothing and says what to do`() async throws {
        try await withTemporaryFolder { folder in
            _ = try await Self.initialize(folder.appending(path: "control"))
            let key = try Data(contentsOf: folder.appending(path: "control/ca.key"))
            let again = try await Self.initialize(folder.appending(path: "control"))
            #expect(again.status == 73)
            #expect(again.errors.contains("flowforged serve --config"))
            #expect(try Data(contentsOf: folder.appending(path: "control/ca.key")) == key)
        }
    }

    @Test func `init with --json and --token-file prints JSON without the token`() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "token")
            let ran = try await Self.initialize(
                folder.appending(path: "control"), ["--json", "--token-file", file.path])
            let fields = try JSONDecoder().decode([String: String].self, from: Data(ran.output.utf8))
            #expect(fields["caFingerprint"]?.hasPrefix("sha256:") == true)
            #expect(fields["token"] == nil)
            #expect(try String(contentsOf: file, encoding: .utf8).hasPrefix("ff_"))
            #expect(try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test(arguments: ["ca.key", "server.key"])
    func `it does not start on a key that others may read`(key: String) async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            _ = try await Self.initialize(data)
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o644], ofItemAtPath: data.appending(path: key).path)
            try await Self.expectRefusal(data, "chmod 600", key)
        }
    }

    @Test func `it does not start on an unknown key and names the line and the nearest key`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            _ = try await Self.initialize(data)
            let config = data.appending(path: "flowforged.yaml")
            let text = try String(contentsOf: config, encoding: .utf8)
            try text.replacingOccurrences(of: "log:", with: "lgo:").write(to: config, atomically: true, encoding: .utf8)
            try await Self.expectRefusal(data, "flowforged.yaml:17", "'lgo'", "'log'")
        }
    }

    @Test func `it does not start on a value of the wrong type`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            _ = try await Self.initialize(data)
            let config = data.appending(path: "flowforged.yaml")
            let text = try String(contentsOf: config, encoding: .utf8)
            try text.replacingOccurrences(of: "agent_lifetime: 1d", with: "agent_lifetime: [1]")
                .write(to: config, atomically: true, encoding: .utf8)
            try await Self.expectRefusal(data, "flowforged.yaml:", "agent_lifetime")
        }
    }

    @Test func `it does not start on a database of a newer version`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            _ = try await Self.initialize(data)
            let python = try Checkout.python()
            let ran = try await Ran.program(
                python,
                [
                    "-c",
                    "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(\"INSERT INTO grdb_migrations VALUES ('9999-future')\"); c.commit()",
                    data.appending(path: "flowforge.db").path,
                ])
            #expect(ran.status == 0, "\(ran)")
            try await Self.expectRefusal(data, "newer FlowForge")
        }
    }

    @Test func `it does not start where nothing was set up`() async throws {
        try await withTemporaryFolder { folder in
            let config = folder.appending(path: "flowforged.yaml")
            try "data_dir: nothing\nagent_api:\n  url: https://localhost:1\n".write(to: config, atomically: true, encoding: .utf8)
            try await Self.expectRefusal(folder, "flowforged init")
            try FileManager.default.removeItem(at: config)
            try await Self.expectRefusal(folder, "cannot read")
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a second one does not touch the folder of the first`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            _ = try await Self.initialize(data)
            let lock = open(data.appending(path: "lock").path, O_RDWR | O_CREAT, 0o600)
            defer { close(lock) }
            #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
            let upload = data.appending(path: "bundles/uploads/half")
            try FileManager.default.createDirectory(at: upload.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data("x".utf8).write(to: upload)
            let ran = try await Ran.program(Self.program, ["serve", "--config", data.appending(path: "flowforged.yaml").path])
            #expect(ran.status == 75 && ran.errors.contains("another process"), "\(ran)")
            #expect(FileManager.default.fileExists(atPath: upload.path))
        }
    }

    @Test func `an init that failed leaves nothing in the way of the next`() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appending(path: "control")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            try Data().write(to: data.appending(path: "theirs"))
            // No folder can be below a file.
            let failed = try await Self.initialize(data, ["--config", data.appending(path: "theirs/flowforged.yaml").path])
            #expect(failed.status != 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: data.path) == ["theirs"])
            #expect(try await Self.initialize(data).status == 0)
        }
    }

    @Test func `it does not start on a port in use`() async throws {
        try await withTemporaryFolder { folder in
            let other = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 0)
                .get()
            let port = try #require(other.localAddress?.port)
            let data = folder.appending(path: "control")
            _ = try await Self.initialize(data, agentListen: "127.0.0.1:\(port)")
            try await Self.expectRefusal(data, "port in use", "127.0.0.1:\(port)", "agent_api.listen")
            try await other.close()
        }
    }

    @Test func `a wrong command line ends with 64`() async throws {
        #expect(try await Ran.program(Self.program, ["serve"]).status == 64)
        #expect(try await Ran.program(Self.program, ["init", "--data", "/tmp/x", "--agent-listen", "nonsense"]).status == 64)
        let help = try await Ran.program(Self.program, ["--help"])
        #expect(help.status == 0)
        #expect(help.output.contains("EXAMPLES"))
    }

    static func initialize(
        _ data: URL, _ more: [String] = [], agentListen: String = "127.0.0.1:0"
    ) async throws -> Ran {
        try await Ran.program(
            program, ["init", "--data", data.path, "--agent-listen", agentListen, "--operator-listen", "127.0.0.1:0"] + more)
    }

    /// One line that has all of `words`, exit status 78.
    private static func expectRefusal(
        _ data: URL, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let ran = try await Ran.program(program, ["serve", "--config", data.appending(path: "flowforged.yaml").path])
        #expect(ran.status == 78, "\(ran)", sourceLocation: sourceLocation)
        let lines = ran.errors.split(separator: "\n").filter { $0.hasPrefix("flowforged: ") }
        #expect(lines.count == 1, "\(ran.errors)", sourceLocation: sourceLocation)
        for word in words { #expect(lines.first?.contains(word) == true, "\(ran.errors)", sourceLocation: sourceLocation) }
    }
}
