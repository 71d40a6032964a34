import ArgumentParser
import FlowForgeAgentCore
import FlowForgeProtocol
import Foundation

struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Makes this machine an agent of a pool, with a one-time token.",
        discussion: """
            Makes a key that never leaves this machine, checks that the server is the one whose
            authority has the given fingerprint, and only then sends the token and a signing request.
            Doing it again on a machine that has joined changes nothing; an agent whose certificate
            expired while it was offline comes back under its own id.

              FLOWFORGE_JOIN_TOKEN=… flowforge-agent join --url https://127.0.0.1:8443 \\
                  --ca-fingerprint sha256:… --pool local --state-dir ./agent
            """)

    @Option(help: "The control plane's agent API, https://host:port.")
    var url: String
    @Option(help: "The one-time token. Others on the machine may see it here; prefer --token-file.")
    var token: String?
    @Option(help: "A file with the token, or - for standard input; else the variable FLOWFORGE_JOIN_TOKEN is read.")
    var tokenFile: String?
    @Option(help: "sha256:… of the control plane's authority, which flowforged prints.")
    var caFingerprint: String?
    @Option(help: "PEM of the authority to trust, instead of a fingerprint.")
    var caFile: String?
    @Option(help: "The pool that the token is for.")
    var pool: String
    @Option(help: "A name for people; the host's name unless given.")
    var name: String?
    @Option(help: "Where the identity is kept; the state_dir of the configuration.")
    var stateDir: String
    @Flag(help: "Join as a new agent although this machine already is one.")
    var force = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let joining: Joining
        do { joining = try plan(environment) } catch {
            throw fail(error as? Complaint ?? Complaint("\(error)"), .validationFailure)
        }
        do {
            switch try await joining.join() {
            case .joined(let identity):
                print(
                    "joined pool \(identity.pool) as \(identity.agent); the certificate lasts until \(identity.notAfter.ISO8601Format())"
                )
            case .already(let identity):
                print("already joined: \(identity.agent) of pool \(identity.pool) at \(identity.url); --force joins anew")
            }
        } catch let fault as JoinFault {
            switch fault {
            case .refused: throw fail(fault, ExitStatus.refused)
            case .link: throw fail(fault, ExitStatus.unreachable)
            case .noPin: throw fail(fault, .validationFailure)
            }
        } catch let error as LinkError {
            throw fail(JoinFault.link(error), ExitStatus.unreachable)
        } catch {
            throw fail("\(error)", ExitStatus.failed)
        }
    }

    private func plan(_ environment: [String: String]) throws -> Joining {
        let fingerprint = caFingerprint.map(Fingerprint.init)
        if case .some(.none) = fingerprint {
            throw Complaint("--ca-fingerprint is not sha256: and 64 hexadecimal digits; copy what flowforged prints")
        }
        guard isPlainName(pool, dashes: true) else {
            throw Complaint("--pool '\(pool)' is not a pool's name (a-z, 0-9, _ and -)")
        }
        let settings = LinkSettings(
            url: try LinkSettings.url(url), proxies: try .environment(environment), extraRoots: caFile.map { URL(filePath: $0) })
        return Joining(
            settings: settings, state: URL(filePath: stateDir), token: try secret(environment), pool: pool,
            name: name ?? ProcessInfo.processInfo.hostName, fingerprint: fingerprint ?? nil, force: force)
    }

    private func secret(_ environment: [String: String]) throws -> Secret {
        var text = token
        if text == nil, let tokenFile {
            do {
                text =
                    tokenFile == "-"
                    ? readLine() : try String(contentsOf: URL(filePath: tokenFile), encoding: .utf8)
            } catch { throw Complaint("--token-file \(tokenFile) cannot be read") }
        }
        let found = (text ?? environment["FLOWFORGE_JOIN_TOKEN"] ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        guard !found.isEmpty else {
            throw Complaint("no token: give --token-file, or set FLOWFORGE_JOIN_TOKEN (flowforge agent token create makes one)")
        }
        return Secret(found)
    }
}

/// What is wrong with the command line.
struct Complaint: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = text }
}
