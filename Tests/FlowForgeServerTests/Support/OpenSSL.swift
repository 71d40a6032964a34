import FlowForgeTestSupport
import Foundation
import Subprocess
import SystemPackage

/// `openssl s_client`: a TLS client that is not ours.
enum OpenSSL {
    /// What it prints, on both streams. `input` is sent once connected, then the stream ends.
    static func connect(_ port: Int, _ arguments: [String], input: String = "") async throws -> String {
        // From a file: Subprocess 1.0.2 aborts when a child ends before it has read a string to its end.
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "input")
            try Data(input.utf8).write(to: file)
            let descriptor = try FileDescriptor.open(FilePath(file.path), .readOnly)
            let result = try await Subprocess.run(
                .name("openssl"), arguments: Arguments(["s_client", "-connect", "127.0.0.1:\(port)"] + arguments),
                input: .fileDescriptor(descriptor, closeAfterSpawningProcess: true), output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20))
            return result.standardOutput + result.standardError
        }
    }

    /// One HTTP request; the answer's head and body are part of the result.
    static func request(_ port: Int, _ path: String, body: String = "{}", _ arguments: [String]) async throws -> String {
        try await connect(
            port, ["-ign_eof"] + arguments,
            input:
                "POST \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
    }
}

/// Runs a program to its end and returns its exit code and what it said.
struct Ran: Sendable {
    let status: Int
    let output: String
    let errors: String

    static func program(_ file: URL, _ arguments: [String], environment: [String: String] = [:]) async throws -> Ran {
        let result = try await Subprocess.run(
            .path(FilePath(file.path)), arguments: Arguments(arguments),
            environment: .inherit.updating(
                Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        let status: Int
        switch result.terminationStatus {
        case .exited(let code): status = Int(code)
        case .signaled(let signal): status = 128 + Int(signal)
        }
        return Ran(status: status, output: result.standardOutput, errors: result.standardError)
    }
}
