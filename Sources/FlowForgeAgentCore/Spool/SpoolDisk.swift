import FlowForgeProtocol
import Foundation

/// The spool's files, `<spool id>/<first number>.seg`: every method is synchronous and leaves them
/// sound whether it returns, throws, or the power goes. ``EventSpool`` is its concurrent face.
final class SpoolDisk {
    struct Segment {
        var file: URL
        var first: Int64
        var count = 0
        var bytes = SegmentFormat.headerSize
        var holdsLogs = false
        var next: Int64 { first + Int64(count) }
    }

    struct Place {
        var number: Int64
        /// The first number of its segment.
        var segment: Int64
        /// In the segment's file.
        var offset: Int
    }

    let root: URL
    let limits: SpoolLimits
    /// Who sends its events.
    let process = ID<AgentProcess>.make()
    private(set) var spool: ID<Spool>
    /// Oldest first, never empty; the last one is written to.
    var segments: [Segment]
    private(set) var acknowledged: Int64 = 0
    /// Where the event behind the last batch begins, so that what was sent is not read again; `nil`
    /// when the files have changed otherwise than by growing.
    var sent: Place?
    /// Of the last segment; -1 after a failure, until it is opened again.
    private var descriptor: Int32 = -1
    var folder: URL { root.appending(path: spool.description) }
    var next: Int64 { segments[segments.count - 1].next }
    var totalBytes: Int { segments.reduce(0) { $0 + $1.bytes } }

    /// What was wrong with the files and what was done about it, one line each.
    private(set) var findings: [String] = []

    /// Opens the newest spool in `root`, repairing what a crash or a bad disk left, or makes one.
    init(root: URL, limits: SpoolLimits) throws {
        self.root = root
        self.limits = limits
        try DiskFile.makeFolder(root, mode: 0o700)
        let names = try FileManager.default.contentsOfDirectory(atPath: root.path)
        // What a crash left of a `restart()` that had not come to its rename.
        for name in names where name.hasPrefix(Self.draftPrefix) { try DiskFile.remove(folder: root.appending(path: name)) }
        let found = names.compactMap { ID<Spool>($0) }.sorted()
        // A younger spool was renamed into place only when it held all of the older one's events.
        for old in found.dropLast() { try DiskFile.remove(folder: root.appending(path: old.description)) }
        if let spool = found.last {
            self.spool = spool
            let repair = try SpoolRepair(folder: root.appending(path: spool.description), spool: spool)
            segments = repair.segments
            findings = repair.findings
        } else {
            spool = .make()
            segments = []
            try DiskFile.makeFolder(root.appending(path: spool.description), mode: 0o700)
            try DiskFile.sync(folder: root)
        }
        if segments.isEmpty { try addSegment(first: 1) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Writes the events with one sync. All of them are durable on return, none on a throw.
    ///
    /// - Returns: the number of the first; the others follow it.
    func append(_ drafts: [EventDraft]) throws(SpoolError) -> Int64 {
        do { return try mending { try appendChecked(drafts) } } catch let error as SpoolError { throw error } catch let error
            as DiskError
        {
            throw .disk(error)
        } catch { throw .unencodable(String(describing: error)) }
    }

    private func appendChecked(_ drafts: [EventDraft]) throws -> Int64 {
        if segments[segments.count - 1].bytes >= limits.segmentBytes { try addSegment(first: next) }
        var frames = try frames(drafts)
        if totalBytes + frames.count > limits.maxBytes {
            try dropLogs(needing: frames.count)
            if totalBytes + frames.count > limits.maxBytes {
                frames = try self.frames(drafts.map { $0.isLog ? EventDraft(at: $0.at, body: .dropped(.init(events: 1))) : $0 })
            }
        }
        let index = segments.count - 1
        let segment = segments[index]
        try openLast()
        do {
            try DiskFile.write(frames, to: descriptor, at: segment.bytes, file: segment.file)
            try DiskFile.sync(descriptor, file: segment.file)
        } catch {
            // What was written of it must not be read as events later; if even that fails, opening
            // the spool again cuts it, for a half-written batch has no whole record at its end.
            let failure = error
            do { try DiskFile.cut(descriptor, to: segment.bytes, file: segment.file) } catch { closeLast() }
            throw failure
        }
        segments[index].count += drafts.count
        segments[index].bytes += frames.count
        if drafts.contains(where: \.isLog) { segments[index].holdsLogs = true }
        return segment.next
    }

    private func frames(_ drafts: [EventDraft]) throws -> Data {
        var bytes = Data()
        for (index, draft) in drafts.enumerated() {
            bytes.append(SegmentFormat.frame(try draft.payload(number: next + Int64(index))))
        }
        return bytes
    }

    /// Forgets events up to `number`, by whole segments.
    func acknowledge(_ number: Int64) throws(DiskError) {
        acknowledged = max(acknowledged, min(number, next - 1))
        while segments.count > 1, segments[0].next - 1 <= acknowledged {
            try DiskFile.remove(segments[0].file)
            segments.removeFirst()
        }
    }

    /// Events not yet acknowledged, at least one unless there are none, and what the agent can take on.
    func batch(events: Int, bytes: Int, offer: AgentAPI.WorkOffer? = nil) throws -> (SpoolBatch, body: Data)? {
        try mending { try gather(events: events, bytes: bytes, offer: offer) }
    }

    private func gather(events: Int, bytes: Int, offer: AgentAPI.WorkOffer?) throws -> (SpoolBatch, body: Data)? {
        var body = Data("{\"events\":[".utf8)
        let start = max(acknowledged + 1, segments[0].first)
        var number = start
        var next = sent?.number == start ? sent : nil
        gathering: for segment in segments where segment.next > start {
            let begin = next?.segment == segment.first ? next : nil
            let offset = begin?.offset ?? SegmentFormat.headerSize
            let first = begin?.number ?? segment.first
            let content = try contents(of: segment, from: offset)
            for (index, record) in SegmentScan(content, from: 0).records.prefix(Int(segment.next - first)).enumerated() {
                guard first + Int64(index) == number else { continue }
                if number > start, Int(number - start) >= events || body.count + record.count > bytes { break gathering }
                if number > start { body.append(UInt8(ascii: ",")) }
                body.append(content[record])
                number += 1
                next = Place(number: number, segment: segment.first, offset: offset + record.upperBound)
            }
        }
        guard number > start else {
            // What was written has to be there: "nothing to send" would silence the agent for ever.
            if start < self.next { throw SpoolError.damaged("event \(start) cannot be read") }
            return nil
        }
        sent = next
        if let offer {
            body.append(Data("],\"offer\":".utf8))
            body.append(try WireCoding.encode(offer))
        } else {
            body.append(UInt8(ascii: "]"))
        }
        body.append(Data(",\"process\":\"\(process)\",\"spool\":\"\(spool)\"}".utf8))
        return (SpoolBatch(first: start, last: number - 1), body)
    }

    func addSegment(first: Int64) throws(DiskError) {
        let file = Self.file(first, in: folder)
        try DiskFile.write(SegmentFormat.header(.init(spool: spool, first: first)), to: file, mode: 0o600)
        closeLast()
        segments.append(Segment(file: file, first: first))
    }

    static func file(_ first: Int64, in folder: URL) -> URL {
        let digits = String(first)
        return folder.appending(path: String(repeating: "0", count: 19 - digits.count) + digits + ".seg")
    }

    private func openLast() throws(DiskError) {
        guard descriptor < 0 else { return }
        let segment = segments[segments.count - 1]
        descriptor = open(segment.file.path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw DiskError("open", segment.file) }
        do { try DiskFile.cut(descriptor, to: segment.bytes, file: segment.file) } catch {
            closeLast()
            throw error
        }
    }

    private func closeLast() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    // MARK: Damage

    /// Runs `body`, once more after a repair if it meets damage.
    func mending<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch SpoolError.damaged {
            try repair()
            return try body()
        }
    }

    /// As at the start, but that it is known how many events there were: a broken end is no unfinished write.
    private func repair() throws {
        closeLast()
        sent = nil
        let end = next
        do {
            let repair = try SpoolRepair(folder: folder, spool: spool, end: end)
            segments = repair.segments
            findings += repair.findings
            if segments.isEmpty { try addSegment(first: end) }
        } catch let error as DiskError { throw error } catch { throw SpoolError.damaged("\(error)") }
    }

    /// What was found since it was last asked.
    func takeFindings() -> [String] {
        defer { findings = [] }
        return findings
    }

    /// All records of a segment.
    func records(of segment: Segment) throws -> (content: Data, records: ArraySlice<Range<Int>>) {
        let content = try contents(of: segment, from: 0)
        let records = SegmentScan(content).records.prefix(segment.count)
        guard records.count == segment.count else {
            throw SpoolError.damaged("\(segment.file.lastPathComponent) has \(records.count) of \(segment.count) events")
        }
        return (content, records)
    }

    private func contents(of segment: Segment, from offset: Int) throws -> Data {
        do { return try DiskFile.read(segment.file, from: offset) } catch { throw SpoolError.damaged("\(error)") }
    }

    // MARK: Numbering anew

    private static let draftPrefix = ".new-"

    /// Gives the unacknowledged events to a new spool, numbered from 1: for a control plane that was
    /// set back to an earlier state and expects numbers that are gone, or never were.
    func restart() throws { try mending { try renumber() } }

    private func renumber() throws {
        // The younger of two is known by its id, so a clock that was set back must not make it the older.
        let fresh = ID<Spool>.make(at: max(IDSource.time, spool.madeAt.addingTimeInterval(0.001)))
        let draft = root.appending(path: Self.draftPrefix + fresh.description)
        let moved: [Segment]
        let place = root.appending(path: fresh.description)
        do {
            moved = try copies(for: fresh, in: draft)
            try DiskFile.move(draft, to: place)
        } catch {
            // Most often for want of space, which half a copy must not take too.
            let failure = error
            do { try DiskFile.remove(folder: draft) } catch {
                // The next start removes it.
            }
            throw failure
        }
        let old = folder
        closeLast()
        spool = fresh
        acknowledged = 0
        sent = nil
        segments = moved.map { segment in
            var segment = segment
            segment.file = place.appending(path: segment.file.lastPathComponent)
            return segment
        }
        // From the move on the next start takes the new one, whatever fails here.
        try DiskFile.sync(folder: root)
        try DiskFile.remove(folder: old)
    }

    /// The unacknowledged events, numbered from 1, as segments of another spool.
    private func copies(for fresh: ID<Spool>, in draft: URL) throws -> [Segment] {
        try DiskFile.makeFolder(draft, mode: 0o700)
        var moved: [Segment] = []
        var number: Int64 = 1
        for segment in segments {
            let (content, records) = try records(of: segment)
            var target = Segment(file: Self.file(number, in: draft), first: number, holdsLogs: segment.holdsLogs)
            var bytes = SegmentFormat.header(.init(spool: fresh, first: number))
            for (index, record) in records.enumerated()
            where segment.first + Int64(index) > acknowledged {
                var event = try WireCoding.decode(AgentAPI.ReportEvent.self, from: content[record])
                event.number = number
                bytes.append(SegmentFormat.frame(try WireCoding.encode(event)))
                target.count += 1
                number += 1
            }
            if target.count == 0, segment.first != segments.last?.first { continue }
            target.bytes = bytes.count
            try DiskFile.write(bytes, to: target.file, mode: 0o600)
            moved.append(target)
        }
        return moved
    }
}
