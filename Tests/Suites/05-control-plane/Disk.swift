import Foundation
import Testing

/// A disk that loses power: see disk.c and disk.py beside this file.
struct Disk: Sendable {
    let watched: URL
    private let image: URL
    private let library: URL

    /// Compiles the library into `folder`.
    init(under watched: URL, in folder: URL) async throws {
        self.watched = watched
        image = folder.appending(path: "image")
        library = folder.appending(path: "disk.so")
        if FileManager.default.fileExists(atPath: library.path) { return }
        let made = try await execute(
            "clang", ["-O1", "-shared", "-fPIC", "-o", library.path, Self.file("disk.c").path, "-ldl", "-lpthread"])
        try #require(made.status == 0, "\(made)")
    }

    /// All that is there now is on the disk. What a daemon needs to run on it.
    func begin(lies: Bool = false, kill: String? = nil) async throws -> [String: String] {
        _ = try await Self.script("baseline", watched.path, image.path)
        var environment = ["LD_PRELOAD": library.path, "FF_DISK_WATCH": watched.path, "FF_DISK": image.path]
        if lies { environment["FF_DISK_LIE"] = "1" }
        environment["FF_DISK_KILL"] = kill
        return environment
    }

    /// The power comes back: the folder holds what had reached the disk.
    func cut(seed: UInt64) async throws {
        let left = image.deletingLastPathComponent().appending(path: "left")
        _ = try await Self.script("rebuild", watched.path, image.path, left.path, "\(seed)")
        try FileManager.default.removeItem(at: watched)
        try FileManager.default.moveItem(at: left, to: watched)
    }

    @discardableResult
    static func script(_ arguments: String...) async throws -> String {
        let result = try await execute(Checkout.python, [file("disk.py").path] + arguments)
        guard result.status == 0 else { throw Trouble(description: "disk.py \(arguments): \(result)") }
        return result.output
    }

    /// An error, and no failed expectation: of a disk that lies it is what is looked for.
    struct Trouble: Error, CustomStringConvertible { let description: String }

    private static func file(_ name: String) -> URL {
        Checkout.root.appending(path: "Tests/Suites/05-control-plane/\(name)")
    }
}
