import Foundation

/// What a command cost, as `flowforge-launch` writes it.
struct ProcessUsage: Sendable, Codable {
    /// -1 when a signal ended the command.
    var exitCode: Int32
    /// 0 when it ended by itself.
    var signal: Int32
    var userSeconds: Double
    var systemSeconds: Double
    var maxResidentBytes: Int64
    /// Processes that the command left behind and that were killed.
    var leftovers: Int

    /// The folder in an attempt's workspace in which each command leaves a file.
    static func folder(in workspace: URL) -> URL { workspace.appending(path: ".usage") }

    /// The next free file in ``folder(in:)``, which is made if need be.
    static func file(named name: String, in workspace: URL) throws -> URL {
        let folder = folder(in: workspace)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder.appending(path: "\(name).json")
    }

    /// CPU seconds and peak memory of all commands that have ended in the workspace. Files that
    /// cannot be read count as nothing: a killed launcher leaves none.
    static func total(in workspace: URL) -> (cpuSeconds: Double, peakMemoryBytes: Int64) {
        let files =
            (try? FileManager.default.contentsOfDirectory(at: folder(in: workspace), includingPropertiesForKeys: nil)) ?? []
        var cpu = 0.0
        var peak: Int64 = 0
        for file in files where file.pathExtension == "json" {
            guard let bytes = try? Data(contentsOf: file), let usage = try? JSONDecoder().decode(Self.self, from: bytes) else {
                continue
            }
            cpu += usage.userSeconds + usage.systemSeconds
            peak = max(peak, usage.maxResidentBytes)
        }
        return (cpu, peak)
    }
}
