import FlowForgeTestSupport
import Foundation
import Testing

/// Tables lie in the root that their environment names for their layer.
@Suite struct StorageRootTests {
    @Test(.timeLimit(.minutes(3))) func `each layer follows its root, through runs, promotions and looks for drift`() async throws
    {
        try await Installation.up { it in
            let bundle = try it.twoTables("rooted")
            let fast = it.folder.appending(path: "fast")
            try await it.withAgent(lakeRoots: ["fast": fast]) {
                try await it.declare("dev", "storage: {gold: fast}")
                try await it.declare("qa", "storage: {gold: fast}\nupstream: [dev]\nmode: virtual")
                try await it.mustFlowforge("deploy", bundle.path, "--env", "dev")
                try await it.mustFlowforge("run", "start", "all", "--env", "dev", "--watch")
                try await it.mustFlowforge("promote", "--from", "dev", "--to", "qa")

                let files = FileManager.default
                for environment in ["dev", "qa"] {
                    let gold = fast.appending(path: "\(environment)/gold/total/current").path
                    // The promotion ends when the control plane has moved the pointers; agents follow.
                    _ = try await until("\(environment) has its table", within: .seconds(30)) {
                        files.fileExists(atPath: gold) ? true : nil
                    }
                    #expect(try await it.total(in: fast.appending(path: environment)) == "6\n")
                    #expect(files.fileExists(atPath: it.lake.appending(path: "\(environment)/bronze/seed").path))
                    #expect(!files.fileExists(atPath: it.lake.appending(path: "\(environment)/gold").path))
                    // Asked twice, since the first answer comes after the first look.
                    for _ in 0..<2 { try await it.mustFlowforge("drift", "show", "--env", environment, "--look") }
                    let drift = try await it.mustFlowforge("drift", "show", "--env", environment, "--look", "--exit-code")
                    #expect(drift.output.contains("Nothing"), "\(drift)")
                }

                let moved = try await it.apply("dev", "storage: {}")
                #expect(moved.status != 0 && moved.errors.contains("storage.gold: 'dev' has tables in gold, such as gold.total"))
                try await it.declare("other", "storage: {bronze: slow}")
                try await it.mustFlowforge("deploy", "rooted@1.0.0", "--env", "other")
                let failed = try await it.flowforge("run", "start", "all", "--env", "other", "--watch")
                #expect(
                    failed.status == 1 && "\(failed)".contains("this agent's lake has no root 'slow' for bronze"), "\(failed)")
            }
        }
    }
}
