import Foundation

/// A folder for one test, removed after it.
func withTemporaryFolder<Result>(
    _ body: (URL) async throws -> Result
) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-agent-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    do {
        let result = try await body(folder)
        try FileManager.default.removeItem(at: folder)
        return result
    } catch {
        try? FileManager.default.removeItem(at: folder)
        throw error
    }
}

struct Eventually: Error {}

/// Waits for `condition`, at most `seconds`; there is no signal to wait for across a wire.
func eventually(_ seconds: Double = 20, _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
        let isLast = ContinuousClock.now > end
        if try await condition() { return }
        if isLast { throw Eventually() }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// What a person would read of it.
func words(_ error: (any Error)?) -> String { error.map { "\($0)" } ?? "" }
