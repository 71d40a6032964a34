import ArgumentParser
import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeServer
import Foundation

/// `flowforged init`.
struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a new control plane: CA, certificate, configuration, database and the first owner.",
        discussion: """
            Prints the owner's token once. Changes nothing where a control plane is already.

            EXAMPLE
              flowforged init --data ./control --agent-listen 127.0.0.1:8443 --operator-listen 127.0.0.1:8444
            """)

    @Option(help: "The folder to make; mode 0700.") var data: String
    @Option(help: "The configuration file to write (default: flowforged.yaml in the data folder).") var config: String?
    @Option(help: "The SPIFFE trust domain of agents' certificates.") var trustDomain = "flowforge.local"
    @Option(help: "Where the agent API listens, host:port.") var agentListen = "0.0.0.0:8443"
    @Option(help: "Where agents reach it (default: https://<host name>:<port>, or the listening address if it is one).")
    var agentUrl: String?
    @Option(help: "Where the operator API listens, host:port.") var operatorListen = "127.0.0.1:8444"
    @Option(
        help: "A name or address for the server certificate, beside localhost, 127.0.0.1, ::1 and the host name; may be repeated."
    )
    var host: [String] = []
    @Option(help: "Write the owner's token to this new file (mode 0600) instead of printing it.") var tokenFile: String?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for text in [agentListen, operatorListen] where ListenAddress(text) == nil {
            throw ValidationError("'\(text)' is not host:port")
        }
        if let agentUrl, URL(string: agentUrl)?.scheme != "https" {
            throw ValidationError("--agent-url '\(agentUrl)' is not https://host:port")
        }
    }

    func run() async throws {
        do {
            let outcome = try await initialization().run()
            if let tokenFile { try write(outcome.token.reveal(), to: tokenFile) }
            try show(outcome)
        } catch {
            throw Output.failure(error, setUp: 73)
        }
    }

    private func initialization() throws -> Initialization {
        if let tokenFile, FileManager.default.fileExists(atPath: tokenFile) {
            throw StartUpFault.configuration("\(tokenFile) exists already; choose another --token-file, or move it away")
        }
        let folder = URL(filePath: data).standardizedFileURL
        let listen = ListenAddress(agentListen)!
        let machine = ProcessInfo.processInfo.hostName
        let isWildcard = ["0.0.0.0", "::"].contains(listen.host)
        let reachable = ListenAddress(host: isWildcard ? (host.first ?? machine) : listen.host, port: listen.port)
        var hosts = ["localhost", "127.0.0.1", "::1", machine] + host
        if !isWildcard { hosts.append(listen.host) }
        if let named = agentUrl.flatMap({ URL(string: $0)?.host() }) { hosts.append(named) }
        var seen = Set<String>()
        return Initialization(
            dataFolder: folder,
            configuration: config.map { URL(filePath: $0).standardizedFileURL } ?? folder.appending(path: "flowforged.yaml"),
            trustDomain: trustDomain, agentListen: listen, agentURL: agentUrl ?? "https://\(reachable)",
            operatorListen: ListenAddress(operatorListen)!, hosts: hosts.filter { seen.insert($0).inserted })
    }

    private func write(_ token: String, to path: String) throws {
        do {
            try DurableFile.create(URL(filePath: path), contents: Data((token + "\n").utf8), mode: 0o600)
        } catch {
            // The token exists only here: better printed than lost.
            print("token  \(token)")
            throw StartUpFault.configuration("\(error); the control plane is set up, and its token is printed above")
        }
    }

    private func show(_ outcome: Initialization.Outcome) throws {
        if json {
            var fields = [
                "dataFolder": outcome.dataFolder, "configuration": outcome.configuration, "caFile": outcome.caFile,
                "caFingerprint": outcome.caFingerprint, "agentURL": outcome.agentURL, "operatorURL": outcome.operatorURL,
                "owner": outcome.owner,
            ]
            fields[tokenFile == nil ? "token" : "tokenFile"] = tokenFile ?? outcome.token.reveal()
            return try Output.json(fields)
        }
        print(
            """
            control plane  \(outcome.dataFolder)
            configuration  \(outcome.configuration)
            CA             \(outcome.caFile)
            fingerprint    \(outcome.caFingerprint)
            owner's token  \(tokenFile.map { "in \($0)" } ?? "\(outcome.token.reveal())  (shown once; only its hash is kept)")

            Next:
              flowforged serve --config \(outcome.configuration)
              flowforge login --url \(outcome.operatorURL) --ca-file \(outcome.caFile) --token-file \(tokenFile ?? "FILE")
            """)
    }
}
