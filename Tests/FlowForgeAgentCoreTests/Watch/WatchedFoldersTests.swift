import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// Where file triggers look, and where they do not.
@Suite(.timeLimit(.minutes(1))) struct WatchedFoldersTests {
    private let base: URL
    private let lake: URL

    init() throws {
        base = FileManager.default.temporaryDirectory.appending(path: "ff-watched-\(UUID().uuidString)")
            .resolvingSymlinksInPath()
        lake = base.appending(path: "lake")
        for folder in ["lake/in/deep", "extra", "secret"] {
            try FileManager.default.createDirectory(at: base.appending(path: folder), withIntermediateDirectories: true)
        }
        for file in ["lake/in/a.csv", "lake/in/deep/b.csv", "extra/c.csv", "secret/d.csv"] {
            try Data("x".utf8).write(to: base.appending(path: file))
        }
    }

    private var folders: WatchedFolders { WatchedFolders(root: lake, others: [base.appending(path: "extra")]) }

    private func names(_ pattern: String, _ folders: WatchedFolders? = nil) async -> [String] {
        await (folders ?? self.folders).look(for: pattern).files.map(\.name)
    }

    private func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(
            atPath: base.appending(path: path).path, withDestinationPath: base.appending(path: target).path)
    }

    @Test func `the lake and the folders that are named are looked at, and nothing else`() async throws {
        defer { try? FileManager.default.removeItem(at: base) }
        #expect(await names("in/**/*.csv") == ["a.csv", "deep/b.csv"])
        #expect(await names("\(base.path)/extra/./*.csv") == ["c.csv"])
        #expect(await names("\(base.path)/extra/c.csv") == ["c.csv"])
        for pattern in [
            "\(base.path)/secret/*.csv", "../secret/*.csv", "in/../../secret/*", "\(base.path)/*/*.csv", "/**", "/etc/passwd",
            "\(base.path)/extra2/*", "in/*/../../../secret/*.csv",
        ] {
            let found = await folders.look(for: pattern)
            #expect(found.files.isEmpty && found.warnings.only?.hasPrefix("not looked at: ") == true, "\(pattern)")
        }
        #expect(folders.refusal(of: "not/yet/*.csv") == nil)
    }

    @Test func `links that lead outside are not followed, and it is said`() async throws {
        defer { try? FileManager.default.removeItem(at: base) }
        try link("lake/in/out", to: "secret")
        try link("lake/in/d.csv", to: "secret/d.csv")
        try link("lake/in/c.csv", to: "extra/c.csv")
        #expect(await names("in/*.csv") == ["a.csv", "c.csv"])
        #expect(await names("in/*/*.csv") == ["deep/b.csv"])
        #expect(await folders.look(for: "in/*/*.csv").warnings.only?.hasSuffix("in/out leads outside") == true)
        #expect(await folders.look(for: "in/out/*.csv").warnings.only?.hasPrefix("not looked at: ") == true)
        // The lake itself may be behind a link.
        try link("here", to: "lake")
        #expect(await names("in/a.csv", WatchedFolders(root: base.appending(path: "here"), others: [])) == ["a.csv"])
    }

    @Test func `what cannot be read is passed over, and said once`() async throws {
        defer { try? FileManager.default.removeItem(at: base) }
        struct Unreadable: Error {}
        func walk(_ bounds: FileWalk.Bounds?) throws -> FileWalk {
            var walk = FileWalk(pattern: "in/**/*.csv", relativeTo: lake, within: bounds)
            walk.list = { folder in
                if folder.hasSuffix("/deep") { throw Unreadable() }
                return try FileManager.default.contentsOfDirectory(atPath: folder)
            }
            try walk.run()
            return walk
        }
        #expect(throws: Unreadable.self, "a task does not read half of its source") { try walk(nil) }
        let looked = try walk(.init(folders: [lake.path], mostEntries: 100))
        #expect(looked.found.map(\.name) == ["a.csv"])
        #expect(looked.passedOver.only?.hasSuffix("/deep cannot be read") == true)
        var look = FileLook(watch: .init(trigger: .make(), fencing: 1, pattern: "", everySeconds: 1))
        #expect(look.new(["one"]) == ["one"] && look.new(["one", "two"]) == ["two"])
    }

    @Test func `of too many the newest are kept`() async throws {
        defer { try? FileManager.default.removeItem(at: base) }
        for number in 0..<6 {
            let file = base.appending(path: "extra/f\(number)")
            try Data().write(to: file)
            let time = Date(timeIntervalSince1970: number == 5 ? 1 : 1_000_000 + Double(number))
            try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: file.path)
        }
        var few = folders
        few.mostFiles = 3
        let found = await few.look(for: "\(base.path)/extra/f*")
        #expect(found.files.map(\.name) == ["f2", "f3", "f4"] && found.warnings.count == 1)
    }

    @Test func `a look comes by so many entries, and ends when it is cancelled`() async throws {
        defer { try? FileManager.default.removeItem(at: base) }
        for number in 0..<50 { try Data().write(to: base.appending(path: "extra/f\(number)")) }
        var few = folders
        few.mostEntries = 20
        let cut = await few.look(for: "\(base.path)/extra/f*")
        #expect(cut.files.count < 20 && cut.warnings.count == 1)
        let own = folders
        let cancelled = Task {
            while !Task.isCancelled { await Task.yield() }
            return await own.look(for: "in/**/*.csv")
        }
        cancelled.cancel()
        #expect(await cancelled.value.files.isEmpty)
    }

    @Test func `many times any number of folders is once`() async throws {
        defer { try? FileManager.default.removeItem(at: base) }
        var place = lake.appending(path: "in")
        for _ in 0..<25 { place.append(path: "d") }
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        // Twelve times 25 folders would be combinations without end.
        var few = folders
        few.mostEntries = 200
        let found = await few.look(for: "in/" + String(repeating: "**/", count: 12) + "*.csv")
        #expect(found.files.map(\.name) == ["a.csv", "deep/b.csv"] && found.warnings == [])
    }
}

extension Collection {
    /// The one element, if there is just one.
    fileprivate var only: Element? { count == 1 ? first : nil }
}
