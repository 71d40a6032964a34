import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// When a file has arrived.
struct FileLookTests {
    private let watch = AgentAPI.Watch(trigger: .make(), fencing: 1, pattern: "/in/*", everySeconds: 1)

    private func file(_ name: String, _ size: Int64, at seconds: Double = 0) -> SourceFiles.File {
        SourceFiles.File(path: "/in/\(name)", name: name, size: size, modifiedAt: Date(timeIntervalSince1970: seconds))
    }

    /// One look after another; what each found to have arrived.
    private func looks(_ look: inout FileLook, _ files: [SourceFiles.File]...) -> [[String]] {
        files.map { look.looked($0).map(\.name) }
    }

    @Test func `a file has arrived when two looks find it unchanged`() {
        var look = FileLook(watch: watch)
        let found = looks(
            &look, [file("a", 1)], [file("a", 2), file("b", 1)], [file("a", 2, at: 1), file("b", 1)],
            [file("a", 2, at: 1), file("b", 1)])
        // One grows, one is new; one was written again; none has been told of.
        #expect(found == [[], [], ["b"], ["a", "b"]])
    }

    @Test func `what was told is not told again, unless it changes or comes back`() {
        var look = FileLook(watch: watch)
        _ = look.looked([file("a", 1)])
        look.told(look.looked([file("a", 1)]))
        let changed = looks(&look, [file("a", 1)], [file("a", 5)])
        #expect(changed == [[], []])
        let grown = look.looked([file("a", 5)])
        #expect(grown.map(\.size) == [5])
        look.told(grown)
        // Whether what comes back is new is for the control plane to say.
        let back = looks(&look, [], [file("a", 5)], [file("a", 5)])
        #expect(back == [[], [], ["a"]])
    }

    @Test func `a digest says nothing of what is in a file`() {
        var look = FileLook(watch: watch)
        _ = look.looked([file("a", 1)])
        let one = look.looked([file("a", 1)]).map(\.digest)
        let two = look.looked([file("a", 1)]).map(\.digest)
        #expect(one == two && one.first?.utf8.count == 64)
    }
}
