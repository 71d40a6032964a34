import Foundation
import Testing

/// One run over the agents of two pools, which have one lake.
@Suite struct PoolTests {
    @Test(.timeLimit(.minutes(3))) func `tasks run in the pools that their environment has for them`() async throws {
        try await Installation.up { it in
            let bundle = try it.twoTables("split", more: ", pool: large")
            try await it.declare("dev")
            let refused = try await it.flowforge("deploy", bundle.path, "--env", "dev")
            #expect(refused.status != 0 && refused.errors.contains("no pool for large"), "\(refused)")
            #expect(refused.errors.contains("under 'pools' (needed: large for all)"), "\(refused)")

            try await it.declare("dev", "pools: {large: giants}")
            try await it.mustFlowforge("deploy", bundle.path, "--env", "dev")
            let shown = try await it.mustFlowforge("env", "show", "dev")
            #expect(shown.output.contains("pool large") && shown.output.contains("giants"), "\(shown)")
            let exported = try await it.mustFlowforge("env", "export", "dev")
            #expect(exported.output.contains("pools:\n  large: giants"), "\(exported)")
            try await it.withAgent {
                _ = try await it.withAgent(pool: "giants") {
                    try await it.mustFlowforge("run", "start", "all", "--env", "dev", "--watch")
                }
                let run = try await it.mustFlowforge("run", "list", "--env", "dev", "--json")
                let tree = try await it.mustFlowforge("run", "show", try #require(Self.run(run)), "--json")
                let view = try #require(try JSONSerialization.jsonObject(with: Data(tree.output.utf8)) as? [String: Any])
                let tasks = try #require(view["tasks"] as? [[String: Any]])
                let places = try tasks.map { task in
                    let attempt = try #require((task["attempts"] as? [[String: Any]])?.first)
                    return [task["name"], task["pool"], attempt["agentName"]].compactMap { $0 as? String }
                }
                #expect(places == [["seed", "local", "suite"], ["total", "giants", "giants"]])
                #expect(try await it.total(in: it.lake.appending(path: "dev")) == "6\n")

                // With the other pool's agent gone its tasks wait, and say for whom.
                let second = try await it.mustFlowforge("run", "start", "all", "--env", "dev", "--json")
                let next = try #require(Self.run(second))
                let waiting = try await until("the task for the other pool waits", within: .seconds(30)) {
                    let shown = try await it.mustFlowforge("run", "show", next)
                    return shown.output.contains("waits for an agent of pool giants") ? shown : nil
                }
                #expect(waiting.output.contains("total"))
            }
        }
    }

    /// The first that is named.
    private static func run(_ said: CommandResult) -> String? {
        said.output.firstMatch(of: /run_[0-9a-z]+/).map { String($0.output) }
    }
}
