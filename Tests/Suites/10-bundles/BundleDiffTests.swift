import Foundation
import Testing

/// What a second version changes, told of folders and of what the registry has.
@Suite struct BundleDiffTests {
    private func edited(_ folder: URL, _ edits: [(file: String, old: String, new: String)]) throws -> URL {
        let copy = folder.appending(path: "edited-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: Checkout.root.appending(path: "Examples/nyc-flights"), to: copy)
        for edit in edits {
            let file = copy.appending(path: edit.file)
            let text = try String(contentsOf: file, encoding: .utf8)
            try #require(text.contains(edit.old), "\(edit.file) has no '\(edit.old)'")
            try text.replacing(edit.old, with: edit.new).write(to: file, atomically: true, encoding: .utf8)
        }
        return copy
    }

    @Test(.timeLimit(.minutes(3))) func `a pushed bundle is pulled byte by byte, and compared with a changed folder`()
        async throws
    {
        try await Installation.up { it in
            let example = Checkout.root.appending(path: "Examples/nyc-flights").path
            let pushed = try await it.mustFlowforge("bundle", "push", example, "--json")
            let digest = try #require(pushed.output.firstMatch(of: /sha256:[0-9a-f]{64}/)).output
            let layout = it.folder.appending(path: "layout")
            let pulled = try await it.mustFlowforge("bundle", "pull", "nyc-flights@1.0.0", "-o", layout.path)
            #expect(pulled.output.contains(digest))
            let built = it.folder.appending(path: "built")
            try await it.mustFlowforge("bundle", "build", example, "-o", built.path)
            let blobs = "blobs/sha256"
            for name in try FileManager.default.contentsOfDirectory(atPath: built.appending(path: blobs).path) {
                #expect(
                    try Data(contentsOf: layout.appending(path: "\(blobs)/\(name)"))
                        == Data(contentsOf: built.appending(path: "\(blobs)/\(name)")))
            }

            let same = try await it.mustFlowforge("bundle", "diff", "nyc-flights@1.0.0", example, "--exit-code")
            #expect(same.output.isEmpty && same.errors.contains("nothing changes"), "\(same)")
            let other = try edited(
                it.folder,
                [
                    ("flowforge.yaml", "version: 1.0.0", "version: 1.1.0"),
                    ("flowforge.yaml", "carrier: {type: VARCHAR", "carrier: {type: INTEGER"),
                ])
            let stale = try await it.flowforge("bundle", "diff", String(digest), other.path)
            #expect(
                stale.status == 1 && stale.errors.contains("is stale: what bronze.")
                    && stale.errors.contains("run `flowforge bundle lock`"), "\(stale)")
            // The contract of the example promises another type.
            let broken = try await it.flowforge("bundle", "lock", other.path, "--duckdb", Checkout.duckdb)
            #expect(
                broken.status == 1
                    && broken.errors.contains(
                        /flights\.odcs\.yaml:\d+:9: error: the contract promises silver.flights.carrier as string, and it is INTEGER/
                    ),
                "\(broken)")
            let contract = other.appending(path: "contracts/flights.odcs.yaml")
            try String(contentsOf: contract, encoding: .utf8).replacing(
                "{name: carrier, logicalType: string", with: "{name: carrier, logicalType: integer"
            ).write(to: contract, atomically: true, encoding: .utf8)
            let check = try await it.flowforge("bundle", "lock", other.path, "--check", "--duckdb", Checkout.duckdb)
            #expect(check.status == 1 && check.output.contains("is stale: bronze."), "\(check)")
            try await it.mustFlowforge("bundle", "lock", other.path, "--duckdb", Checkout.duckdb)
            try await it.mustFlowforge("bundle", "lock", other.path, "--duckdb", Checkout.duckdb, "--check")
            let differs = try await it.flowforge("bundle", "diff", String(digest), other.path, "--exit-code")
            #expect(differs.status == 1, "\(differs)")
            #expect(differs.output.contains("nyc-flights@1.0.0 → nyc-flights@1.1.0: "), "\(differs)")
            #expect(
                differs.output.contains(/~ +column +bronze\.[a-z]+\.carrier +breaking +type: VARCHAR → INTEGER/), "\(differs)")
            // And what a SELECT makes of it.
            #expect(
                differs.output.contains(/~ +column +silver\.[a-z]+\.carrier +breaking +type: VARCHAR → INTEGER/), "\(differs)")
            let back = try await it.mustFlowforge("bundle", "diff", other.path, "nyc-flights@1.0.0", "--json")
            #expect(back.output.contains(#""before":"INTEGER""#) || back.output.contains(#""before" : "INTEGER""#), "\(back)")
            let shown = try await it.mustFlowforge("bundle", "show", "nyc-flights@1.0.0", "--json")
            #expect(shown.output.contains(#"{"classification":"confidential","name":"tailnum","type":"VARCHAR"}"#), "\(shown)")
            let nowhere = try await it.flowforge("bundle", "diff", "no/such/folder", example)
            #expect(nowhere.status == 3 && nowhere.errors.contains("'no/such/folder' is no folder here"), "\(nowhere)")
            let missing = try await it.flowforge("bundle", "diff", "nyc-flights@9.0.0", example)
            #expect(missing.status == 3 && missing.errors.contains("nyc-flights@9.0.0"), "\(missing)")
        }
    }
}
