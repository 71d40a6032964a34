import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

/// Tags of columns, as docs/bundle.md has them.
struct TagTests {
    private func tags(_ text: String) throws -> [String] {
        let manifest = Sample.manifest("keys: [id]", "keys: [id]\n        columns: {amount: {tags: \(text)}}")
        let task = try #require(try BundleBuilder.build(Sample.files(manifest)).manifest.flow("daily")?.task("orders"))
        return try #require(task.columns.first).tags
    }

    @Test func `a tag may say a class or a zone, for the gates of these names`() throws {
        #expect(
            try tags(#"[sensitive, "classification:confidential", "residency:eu"]"#) == [
                "sensitive", "classification:confidential", "residency:eu",
            ])
    }

    @Test(arguments: [
        #"["Sensitive"]"#, #"["residency:"]"#, #"[":eu"]"#, #"["residency:eu central"]"#, #"["classification:secret"]"#,
        #"["a:b:c"]"#,
    ])
    func `what is neither a name nor a name and a word is no tag`(_ text: String) {
        #expect(throws: BundleProblems.self) { _ = try tags(text) }
    }
}
