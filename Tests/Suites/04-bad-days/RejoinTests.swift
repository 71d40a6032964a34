import Foundation
import Testing

@Suite struct RejoinTests {
    @Test(.timeLimit(.minutes(3))) func `a machine whose agent was revoked joins again and works`() async throws {
        try await Installation.up { it in
            let bundle = it.folder.appending(path: "bundle")
            try FileManager.default.createDirectory(at: bundle.appending(path: "bin"), withIntermediateDirectories: true)
            try """
            bundle: {name: small, version: 1.0.0, description: one command}
            flows: {only: {tasks: {nothing: {layer: bronze, engine: command, command: [bin/nothing.sh]}}}}
            """.write(to: bundle.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
            let script = bundle.appending(path: "bin/nothing.sh")
            try "#!/bin/sh\necho done\n".write(to: script, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
            try await it.mustFlowforge("env", "create", "dev", "--pool", "local")
            try await it.mustFlowforge("deploy", bundle.path, "--env", "dev")

            _ = try await it.withAgent { try await it.mustFlowforge("run", "start", "only", "--env", "dev", "--watch") }
            try await it.mustFlowforge("agent", "revoke", "suite")
            // Its spool still carries the name of the agent that is gone.
            _ = try await it.withAgent(again: true) {
                try await it.mustFlowforge("run", "start", "only", "--env", "dev", "--watch")
            }
        }
    }
}
