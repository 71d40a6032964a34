import Foundation
import Testing

@Suite struct TourTests {
    /// The README's blocks, pasted: only the build is left out, the ports are free ones, and the folder
    /// is a temporary one.
    @Test(.timeLimit(.minutes(3))) func `the README's tour works when pasted`() async throws {
        let readme = try String(contentsOf: Checkout.root.appending(path: "README.md"), encoding: .utf8)
        let start = try #require(readme.range(of: "## Ten minutes by hand"))
        let end = try #require(readme.range(of: "## Where to go on"))
        let parts = readme[start.upperBound..<end.lowerBound].components(separatedBy: "\n```\n")
        let blocks = parts.indices.filter { !$0.isMultiple(of: 2) }.map { parts[$0] }
        #expect(blocks.count == 6)
        let (agentPort, operatorPort) = try FreePorts.pair()
        try await withTemporaryFolder { folder in
            let script = blocks.joined(separator: "\n")
                .replacing(".ci/tools demo && swift build\n", with: "")
                .replacing("$(swift build --show-bin-path)", with: Checkout.programs.path)
                .replacing(":8443", with: ":\(agentPort)").replacing(":8444", with: ":\(operatorPort)")
                .replacing("$PWD/.tour", with: "\(folder.path)/tour").replacing(".tour", with: "\(folder.path)/tour")
            // Job control, as in the shell that it is pasted into.
            let result = try await execute(
                "bash", ["-c", "set -em; trap 'jobs -p | xargs --no-run-if-empty kill' EXIT\n" + script],
                environment: ["NO_COLOR": "1"],
                in: Checkout.root)
            #expect(result.status == 0, "\(result)")
            for expected in [
                "medallion succeeded", "gold.carrier_punctuality", "flights*.csv.arr_delay", "mean_arrival_delay_minutes",
                "agent.join",
            ] {
                #expect(result.output.contains(expected), "missing '\(expected)' in \(result)")
            }
            #expect(processes(mentioning: folder.path).isEmpty)
        }
    }
}
