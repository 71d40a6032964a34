import FlowForgeProtocol
import Foundation

/// Reads a spool's folder as a crash, a power cut or a bad disk left it.
///
/// A broken end of the last segment is a torn write that nobody was told is durable: it is cut off.
/// Any other break is damage: the file is kept beside as `.corrupt`, its whole records are written
/// anew, and each number that is lost gets a `dropped` event, so that the numbers stay gap-free.
struct SpoolRepair {
    private(set) var segments: [SpoolDisk.Segment] = []
    private(set) var findings: [String] = []

    /// - Parameter end: the number after the last event, where that is known; nothing is an unfinished write then.
    init(folder: URL, spool: ID<Spool>, end: Int64? = nil) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".seg") }.sorted()
        for (index, name) in names.enumerated() {
            let file = folder.appending(path: name)
            guard let first = Int64(name.dropLast(4)), first >= 1 else {
                try setAside(file, why: "its name is not a segment's")
                continue
            }
            let following = names.dropFirst(index + 1).lazy.compactMap { Int64($0.dropLast(4)) }.first ?? end
            try read(file, first: first, following: following, spool: spool)
        }
    }

    private mutating func read(_ file: URL, first: Int64, following: Int64?, spool: ID<Spool>) throws {
        let content = try Data(contentsOf: file)
        let scan = SegmentScan(content)
        let headed = SegmentFormat.header(of: content) == .init(spool: spool, first: first)
        let end = first + Int64(scan.records.count)
        let isTorn = following == nil && scan.beyond.isEmpty
        guard headed, scan.fault == nil || isTorn, following == nil || following == end else {
            return try salvage(file, content, scan, first: first, following: following, spool: spool)
        }
        var segment = SpoolDisk.Segment(file: file, first: first, count: scan.records.count, bytes: content.count)
        segment.holdsLogs = scan.records.contains { Self.isLog(content[$0]) }
        if let fault = scan.fault {
            try DiskFile.cut(file, to: fault)
            segment.bytes = fault
            findings.append("\(file.lastPathComponent): cut \(content.count - fault) bytes of an unfinished write")
        }
        segments.append(segment)
    }

    private mutating func salvage(
        _ file: URL, _ content: Data, _ scan: SegmentScan, first: Int64, following: Int64?, spool: ID<Spool>
    ) throws {
        var whole: [Int64: Data] = [:]
        for record in scan.records + scan.beyond {
            guard let event = try? WireCoding.decode(AgentAPI.ReportEvent.self, from: content[record]), event.number >= first,
                event.number < following ?? .max, event.number - first < 1 << 20
            else { continue }
            whole[event.number] = Data(content[record])
        }
        let end = following ?? (whole.keys.max().map { $0 + 1 } ?? first)
        var segment = SpoolDisk.Segment(file: file, first: first)
        var bytes = SegmentFormat.header(.init(spool: spool, first: first))
        for number in first..<end {
            let payload = try whole[number] ?? EventDraft(at: Date(), body: .dropped(.init(events: 1))).payload(number: number)
            if Self.isLog(payload) { segment.holdsLogs = true }
            bytes.append(SegmentFormat.frame(payload))
            segment.count += 1
        }
        segment.bytes = bytes.count
        // A second name, then the new content under the first: on a full disk the damaged file stays what it was.
        let place = Self.place(beside: file)
        try FileManager.default.linkItem(at: file, to: place)
        do { try DiskFile.write(bytes, to: file, mode: 0o600) } catch {
            let failure = error
            do { try DiskFile.remove(place) } catch {
                // One name more of the same file.
            }
            throw failure
        }
        segments.append(segment)
        findings.append(
            "\(file.lastPathComponent): damaged; \(whole.count) of \(end - first) events read from it; kept as \(place.path)")
    }

    private mutating func setAside(_ file: URL, why: String) throws {
        let place = Self.place(beside: file)
        try DiskFile.move(file, to: place)
        try DiskFile.sync(folder: file.deletingLastPathComponent())
        findings.append("\(file.lastPathComponent): \(why); kept as \(place.path)")
    }

    private static func place(beside file: URL) -> URL {
        var place = URL(filePath: file.path + ".corrupt")
        var copy = 1
        while FileManager.default.fileExists(atPath: place.path) {
            copy += 1
            place = URL(filePath: file.path + ".corrupt-\(copy)")
        }
        return place
    }

    /// Without decoding: the spool may hold a million events when an agent starts.
    private static func isLog(_ payload: Data) -> Bool { payload.range(of: Data(#""type":"log""#.utf8)) != nil }
}
