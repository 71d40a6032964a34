import FlowForgeBundle
import Foundation
import Testing

@testable import FlowForgeAgentCore

@Suite struct ConfigurationTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let minimal = "control_plane:\n  url: https://cp:8443\nstate_dir: /s\nlake:\n  root: lake\n"

    func read(_ text: String, _ environment: [String: String] = [:]) throws -> AgentConfiguration {
        try AgentConfiguration(Data(text.utf8), file: URL(filePath: "/etc/x/agent.yaml"), environment: environment)
    }

    @Test func `the shipped example is valid, and says the defaults that are used`() throws {
        let file = Self.root.appending(path: "agent-config/flowforge-agent.yaml")
        let shipped = try AgentConfiguration(file: file, environment: [:])
        #expect(shipped.slots == 2 && shipped.spool.maxBytes == 256 << 20 && shipped.grace == .seconds(30))
        // Commented keys, taken in: each must be a key, and each must say the default.
        let text = try String(contentsOf: file, encoding: .utf8)
        let keyed = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.firstMatch(of: /^(\s*)# ((\s*)[a-z_]+:( .*)?)$/).map { "\($0.1)\($0.2)" } ?? String(line)
        }
        let full = try AgentConfiguration(Data(keyed.joined(separator: "\n").utf8), file: file, environment: [:])
        #expect(full.slots == shipped.slots && full.taskMemoryBytes == shipped.taskMemoryBytes)
        #expect(full.taskThreads == shipped.taskThreads && full.bundleCacheBytes == shipped.bundleCacheBytes)
        #expect(full.spool.maxBytes == shipped.spool.maxBytes && full.workspaces.path == shipped.workspaces.path)
        #expect(full.log.level == shipped.log.level && full.log.format == shipped.log.format)
        #expect(full.pool == "warehouse" && full.labels == ["site": "frankfurt"] && full.proxies.proxy?.port == 3128)
        #expect(shipped.watchedFolders.isEmpty && full.watchedFolders.map(\.path) == ["/srv/incoming"])
        #expect(full.extensions != nil && full.extraRoots != nil && full.grace == shipped.grace)
    }

    @Test func `paths are relative to the file, and the rest has defaults`() throws {
        let configuration = try read(Self.minimal)
        #expect(configuration.lake.path == "/etc/x/lake" && configuration.workspaces.path == "/s/work")
        let rooted = try read(Self.minimal + "  roots: {fast: disks/nvme, cold: /mnt/cold}\n")
        #expect(rooted.lakeRoots.mapValues(\.path) == ["fast": "/etc/x/disks/nvme", "cold": "/mnt/cold"])
        #expect(configuration.commandsEnabled && configuration.duckdb == nil && configuration.proxies.proxy == nil)
    }

    @Test func `a proxy of the file beats that of the environment, and is used for loopback too`() throws {
        let environment = ["HTTPS_PROXY": "http://env:1", "NO_PROXY": "x"]
        #expect(try read(Self.minimal, environment).proxies.proxy?.host == "env")
        let own = try read(Self.minimal + "proxy:\n  https: http://own:2\n  no_proxy: a.org\n", environment)
        #expect(own.proxies.proxy(host: "localhost", port: 1)?.host == "own")
        #expect(own.proxies.proxy(host: "a.org", port: 1) == nil)
        #expect(try read(Self.minimal + "proxy:\n  https: \"\"\n", environment).proxies.proxy == nil)
    }

    @Test(arguments: [
        ("slotz: 3\n", "agent.yaml:6:1", "'slots'"), ("slots: 0\n", "agent.yaml:6", "from 1 to 1024"),
        ("slots: many\n", "agent.yaml:6", "integer"), ("log:\n  level: loud\n", "agent.yaml:7", "level"),
        ("engines:\n  duckdb:\n    executible: /x\n", "agent.yaml:8", "'executable'"),
        ("limits:\n  memory: 4GB\n", "agent.yaml:7", "GiB"), ("pool: \"No Good\"\n", "agent.yaml:6", "pool"),
        ("proxy:\n  https: https://u:planted@p:1\n", "agent.yaml:7", "TLS to the proxy"),
        ("state_dir: /t\n", "agent.yaml:6", "twice"), ("shutdown:\n  grace: 2h\n", "agent.yaml:7", "grace"),
        ("labels:\n  a: [1]\n", "agent.yaml:7", "text"), ("  roots:\n    No Good: /x\n", "agent.yaml:7", "name of a root"),
        ("  roots:\n    fast: [/x]\n", "agent.yaml:7", "text"), ("  roots: fast\n", "agent.yaml:6", "mapping"),
    ])
    func `each mistake is told with its place and what to do`(addition: String, place: String, word: String) {
        let error = #expect(throws: Problems.self) { try read(Self.minimal + addition) }
        #expect(words(error).contains(place) && words(error).contains(word), "\(words(error))")
        #expect(!words(error).contains("planted"))
    }

    @Test(arguments: ["", "[]", "x", "control_plane:\n  url: http://cp:1\nstate_dir: /s\nlake:\n  root: /l\n", "\u{0}"])
    func `a file that is no configuration is refused`(text: String) {
        #expect(throws: Problems.self) { try read(text) }
    }

    @Test(arguments: ["http://a:1", "https://", "a:8443", "https://a/path", "https://u:p@a:1", "https://a?x=1"])
    func `an address that is no control plane's is refused`(text: String) {
        #expect(throws: LinkSettings.InvalidURL.self) { try LinkSettings.url(text) }
    }

    @Test func `a file that is not there is named with what to do`() {
        let error = #expect(throws: Problems.self) { try AgentConfiguration(file: URL(filePath: "/no/such"), environment: [:]) }
        #expect(words(error).contains("/no/such") && words(error).contains("--config"))
    }

    @Test func `whom the machine's owner trusts is read with the configuration`() async throws {
        try await withTemporaryFolder { folder in
            try SigningKey(.ed25519).write(to: folder.appending(path: "ci"))
            func read(_ text: String) throws -> AgentConfiguration {
                try AgentConfiguration(
                    Data((Self.minimal + text).utf8), file: folder.appending(path: "agent.yaml"), environment: [:])
            }
            #expect(try read("").signatures == SignaturePolicy())
            let trusting = try read("signatures: {keys: [ci.pub]}").signatures
            #expect(trusting.isRequired && trusting.keys.entries.map(\.name) == ["ci"])
            #expect(try !read("signatures: {keys: [ci.pub], required: false}").signatures.isRequired)
            // An agent that cannot read its keys must not run as if it had none.
            #expect(throws: Problems.self) { try read("signatures: {keys: [gone.pub]}") }
            #expect(throws: Problems.self) { try read("signatures: {required: true}") }
        }
    }
}
