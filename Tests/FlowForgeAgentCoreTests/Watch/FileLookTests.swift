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

    @Test func `a file has arrived when two looks find it unchanged`() {
        var look = FileLook(watch: watch)
        #expect(look.looked([file("a", 1)]).isEmpty)
        #expect(look.looked([file("a", 2), file("b", 1)]).isEmpty, "one grows, one is new")
        #expect(look.looked([file("a", 2, at: 1), file("b", 1)]).map(\.name) == ["b"], "one was written again")
        #expect(look.looked([file("a", 2, at: 1), file("b", 1)]).map(\.name) == ["a", "b"], "none has been told of")
    }

    @Test func `what was told is not told again, unless it changes or comes back`() {
        var look = FileLook(watch: watch)
        _ = look.looked([file("a", 1)])
        look.told(look.looked([file("a", 1)]))
        #expect(look.looked([file("a", 1)]).isEmpty)
        #expect(look.looked([file("a", 5)]).isEmpty)
        let grown = look.looked([file("a", 5)])
        #expect(grown.map(\.size) == [5])
        look.told(grown)
        #expect(look.looked([]).isEmpty)
        _ = look.looked([file("a", 5)])
        #expect(look.looked([file("a", 5)]).count == 1, "whether that is new is for the control plane to say")
    }

    @Test func `a digest says nothing of what is in a file`() throws {
        var (one, two) = (FileLook(watch: watch), FileLook(watch: watch))
        _ = (one.looked([file("a", 1)]), two.looked([file("a", 1)]))
        let digests = [one.looked([file("a", 1)]), two.looked([file("a", 1)])].flatMap { $0.map(\.digest) }
        #expect(digests.count == 2 && digests[0] == digests[1] && digests[0].utf8.count == 64)
    }
}
