import Foundation
import Testing

/// Bundles of more than one layer, with the programs themselves.
@Suite struct LayersTests {
    @Test(.timeLimit(.minutes(3)))
    func `a version that changes one large file sends its layer, is told so on a terminal, and runs`()
        async throws
    {
        try await Installation.up { it in
            let bundle = try it.twoTables("large")
            let manifest = bundle.appending(path: "flowforge.yaml")
            let text = try String(contentsOf: manifest, encoding: .utf8).replacing("flows:", with: "include: [files/]\nflows:")
            try Data(text.utf8).write(to: manifest)
            let files = bundle.appending(path: "files")
            try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
            for number in 1...3 as ClosedRange<UInt8> {
                try Data(repeating: number, count: 10_000_000).write(to: files.appending(path: "\(number)"))
            }
            let first = try await it.mustFlowforge("bundle", "push", bundle.path)
            #expect(first.errors.contains("(30 MB sent)") && !first.errors.contains("pushing"), "\(first)")

            try Data(repeating: 4, count: 10_000_000).write(to: files.appending(path: "2"))
            try Data(text.replacing("version: 1.0.0", with: "version: 1.0.1").utf8).write(to: manifest)
            let program = Checkout.programs.appending(path: "flowforge").path
            let second = try await execute(
                "script", ["--return", "--quiet", "--command", "'\(program)' bundle push '\(bundle.path)'", "/dev/null"],
                environment: ["XDG_CONFIG_HOME": it.folder.appending(path: "config").path, "NO_COLOR": "1"])
            #expect(second.status == 0 && second.output.contains("pushing 0 B of 30 MB"), "\(second)")
            #expect(second.output.contains("(10 MB sent)"), "\(second)")

            let layout = it.folder.appending(path: "layout")
            try await it.mustFlowforge("bundle", "pull", "large@1.0.1", "-o", layout.path)
            try await it.declare("dev")
            try await it.mustFlowforge("deploy", "large@1.0.1", "--env", "dev")
            _ = try await it.withAgent {
                try await it.mustFlowforge("run", "start", "all", "--env", "dev", "--watch")
            }
            #expect(try await it.total(in: it.lake.appending(path: "dev")) == "6\n")
        }
    }
}
