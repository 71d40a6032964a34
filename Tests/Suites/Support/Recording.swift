import FlowForgeTestSupport
import Foundation

extension Installation {
    /// Runs `body` with the port of a recorder that stands before the agent API and keeps in `file` what agent
    /// and control plane say to each other.
    func recording(to file: URL, _ body: @Sendable @escaping (Int) async throws -> Void) async throws {
        let script = Checkout.root.appending(path: "Tests/Suites/02-privacy/recorder.py")
        let arguments = [
            "\(agentPort)", control.appending(path: "server.pem").path, control.appending(path: "server.key").path,
            control.appending(path: "ca.pem").path, agentState.path, file.path,
        ]
        try await SideProgram.running(script, arguments) { first in
            guard let port = Int(first) else { throw SideProgram.Failed(description: "the recorder said '\(first)'") }
            try await body(port)
        }
    }
}

/// Paths below `folder` of files that hold the value.
func filesHolding(_ value: String, under folder: URL) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { path in
        FileManager.default.contents(atPath: folder.appending(path: path).path)?.range(of: Data(value.utf8)) != nil
    }
}
