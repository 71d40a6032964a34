import FlowForgeDomain
import Foundation
import Testing

@testable import FlowForgeBundle

@Suite struct SystemZonesTests {
    @Test(arguments: [("2026a", "2025b", true), ("2025b", "2025b", false), ("2025a", "2025b", false), ("2025za", "2025z", true)])
    func `versions are a year and letters`(version: String, other: String, isNewer: Bool) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "zones-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder.appending(path: "Europe"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("# version \(version)\n# rest".utf8).write(to: folder.appending(path: "tzdata.zi"))
        try Data("no zone".utf8).write(to: folder.appending(path: "Europe/London"))
        let zones = try #require(SystemZones(folder: folder))
        #expect(zones.version == version && zones.isNewer(than: other) == isNewer)
        // Unreadable and missing ones are left to Foundation.
        #expect(zones.rules("Europe/London") == nil && zones.rules("Europe/Paris") == nil && zones.rules("Europe") == nil)
    }

    @Test func `a folder without a version is not used`() {
        #expect(SystemZones(folder: URL(filePath: "/nowhere")) == nil)
        #expect(SystemZones(folder: FileManager.default.temporaryDirectory) == nil)
    }

    @Test func `the machine's own zones are read`() throws {
        let zones = try #require(SystemZones(folder: URL(filePath: "/usr/share/zoneinfo")))
        #expect(zones.rules("Europe/London") != nil && zones.rules("Antarctica/Troll") != nil)
    }
}
