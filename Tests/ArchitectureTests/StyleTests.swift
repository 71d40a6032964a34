import Foundation
import Testing

@Suite struct StyleTests {
    /// Files that may be longer than 400 lines, each with its reason.
    private static let longFiles: [String: String] = [:]

    @Test func `files stay small`() throws {
        for file in try SourceTree.files() where Self.longFiles[file.path] == nil {
            #expect(
                file.lineCount <= 400, "\(file.path) has \(file.lineCount) lines; split it, or state the reason in StyleTests")
        }
    }

    @Test func `types are not named for nothing in particular`() throws {
        let vague = /(?:class|struct|enum|actor|protocol) [A-Za-z]*(?:Manager|Helper|Util|Utils|Common|Base)\b/
        for file in try SourceTree.files() {
            if let match = file.text.firstMatch(of: vague) {
                Issue.record("\(file.path): '\(match.0)' says nothing; name its role")
            }
        }
    }

    @Test func `no task outlives its parent`() throws {
        for file in try SourceTree.files() where !file.target.hasSuffix("TestSupport") {
            let found = file.text.contains(/\bTask(?:\.detached)?(?:\([^)]*\))? \{/)
            #expect(!found, "\(file.path) starts an unstructured Task; make it a Service or a child task")
        }
    }

    @Test func `every table is strict and every decision has a number of its own`() throws {
        for file in try SourceTree.files() where file.path.contains("/Migrations/") {
            let tables = file.text.matches(of: /CREATE TABLE/).count
            let strict = file.text.matches(of: /\) STRICT/).count
            #expect(tables == strict, "\(file.path): \(tables) tables, \(strict) of them STRICT")
        }
        let decisions = try FileManager.default.contentsOfDirectory(
            atPath: SourceTree.repository.appending(path: "docs/decisions").path
        ).filter { $0.hasSuffix(".md") && $0 != "README.md" }
        #expect(!decisions.isEmpty)
        #expect(Set(decisions.map { $0.prefix(4) }).count == decisions.count)
    }
}
