import Foundation
import Testing

@Suite struct ImportTests {
    @Test func `every target imports only what stands to its left`() throws {
        let files = try SourceTree.files()
        #expect(files.count > 100)
        for file in files {
            guard let allowed = ImportRules.ours[file.target] else {
                Issue.record("\(file.path): target \(file.target) has no rule; decide what it may import in ImportRules.swift")
                continue
            }
            for module in file.imports where ImportRules.ours[module] != nil {
                #expect(
                    allowed.contains(module),
                    "\(file.path) imports \(module), which \(file.target) must not see: docs/architecture.md says why")
            }
        }
    }

    @Test func `packages with one home stay there`() throws {
        for file in try SourceTree.files() {
            for rule in ImportRules.exclusive where !rule.allowed.contains(file.target) {
                let found = rule.modules.intersection(file.imports)
                #expect(found.isEmpty, "\(file.path) imports \(found.sorted().joined(separator: ", ")): \(rule.reason)")
            }
        }
    }

    @Test func `decisions do no input or output`() throws {
        for file in try SourceTree.files() where file.target == "FlowForgeDomain" {
            for module in file.imports where ImportRules.ours[module] == nil {
                #expect(ImportRules.pure.contains(module), "\(file.path) imports \(module): FlowForgeDomain is pure")
            }
            for call in ["Date()", "Date.now", "await ", "FileManager", "Task.sleep", "SystemRandomNumberGenerator()"] {
                #expect(
                    !file.text.contains(call), "\(file.path) uses \(call): time, randomness and I/O are handed to FlowForgeDomain"
                )
            }
        }
    }

    @Test func `an import is read whatever stands before it`() {
        let file = SourceTree.File(
            target: "T", path: "T.swift",
            text: """
                import A
                public import B
                @testable import C
                @preconcurrency internal import struct D.E
                // import F
                let text = "import G"
                """)
        #expect(file.imports == ["A", "B", "C", "D"])
    }
}
