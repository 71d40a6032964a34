import FlowForgeClient
import FlowForgeProtocol
import Foundation
import Testing

@testable import flowforge

@Suite struct ContextTests {
    private func withFile<Result>(_ body: (ContextFile) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "contexts-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(ContextFile(folder: folder.appending(path: "flowforge")))
    }

    private func add(_ name: String, to file: ContextFile) throws {
        try file.change { book in
            book.contexts[name] = Context(url: "https://\(name):1", token: Secret("t-\(name)"), ca: nil)
            book.current = name
        }
    }

    @Test func `only the owner can read the tokens`() throws {
        try withFile { file in
            try add("a", to: file)
            let mode = { (url: URL) in
                try FileManager.default.attributesOfItem(atPath: url.path)[.posixPermissions] as? Int
            }
            #expect(try mode(file.url) == 0o600)
            #expect(try mode(file.folder) == 0o700)
            #expect(!file.isExposed())
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.url.path)
            #expect(file.isExposed())
            // The next change tightens it again.
            try add("b", to: file)
            #expect(!file.isExposed())
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: file.folder.path).sorted() == [
                    "contexts.json", "contexts.lock",
                ])
        }
    }

    @Test func `a damaged file and one of a newer form are refused and left alone`() throws {
        try withFile { file in
            try add("a", to: file)
            for text in ["", "{", "[]", "{\"version\":2,\"contexts\":{}}"] {
                try Data(text.utf8).write(to: file.url)
                #expect(throws: CommandError.self) { try add("b", to: file) }
                #expect(try String(contentsOf: file.url, encoding: .utf8) == text)
            }
        }
    }

    @Test func `the option comes before the environment, and that before the current context`() throws {
        try withFile { file in
            for name in ["a", "b", "c"] { try add(name, to: file) }
            let resolve = { (option: String?, environment: [String: String]) in
                try Connection.resolve(context: option, environment: environment, file: file)
            }
            #expect(try resolve(nil, [:]).token.reveal() == "t-c")
            #expect(try resolve(nil, ["FLOWFORGE_CONTEXT": "b"]).token.reveal() == "t-b")
            #expect(try resolve("a", ["FLOWFORGE_CONTEXT": "b"]).token.reveal() == "t-a")
            #expect(try resolve("a", ["FLOWFORGE_TOKEN": "mine"]).token.reveal() == "mine")
            #expect(throws: CommandError.self) { try resolve("z", [:]) }
        }
    }

    @Test func `a token is never sent to another server than the one that it is for`() throws {
        try withFile { file in
            try add("a", to: file)
            let environment = ["FLOWFORGE_URL": "https://elsewhere:1"]
            #expect(throws: CommandError.self) {
                try Connection.resolve(context: nil, environment: environment, file: file)
            }
            let both = try Connection.resolve(
                context: nil, environment: environment.merging(["FLOWFORGE_TOKEN": "x"]) { $1 }, file: file)
            #expect(both.address.description == "https://elsewhere:1" && both.token.reveal() == "x")
        }
    }

    @Test func `the configuration folder follows the XDG rules`() {
        #expect(ContextFile(environment: ["XDG_CONFIG_HOME": "/x", "HOME": "/h"]).url.path == "/x/flowforge/contexts.json")
        #expect(ContextFile(environment: ["XDG_CONFIG_HOME": "", "HOME": "/h"]).url.path == "/h/.config/flowforge/contexts.json")
        #expect(
            ContextFile(environment: ["XDG_CONFIG_HOME": "rel", "HOME": "/h"]).url.path == "/h/.config/flowforge/contexts.json")
    }

    @Test func `a lineage argument is an asset, or an asset and a column`() throws {
        #expect(try LineageCommand.parse("gold.a").1 == nil)
        #expect(try LineageCommand.parse("gold.a.Total.Sum").1 == "Total.Sum")
        for text in ["", "gold", "gold.", "gold.a.", "platinum.a", "gold.A", "gold.a b"] {
            #expect(throws: CommandError.self) { try LineageCommand.parse(text) }
        }
    }
}
