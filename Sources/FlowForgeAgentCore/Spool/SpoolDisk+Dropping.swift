import FlowForgeProtocol
import Foundation

extension SpoolDisk {
    /// Puts a `dropped` event in the place of each log event, oldest segment first, until `bytes`
    /// more fit or no logs are left. Numbers stay gap-free, and each loss is counted.
    func dropLogs(needing bytes: Int) throws {
        // The last segment is being written to; a new one takes its place so that it can be rewritten.
        if segments[segments.count - 1].holdsLogs { try addSegment(first: next) }
        for index in segments.indices.dropLast() where segments[index].holdsLogs {
            guard totalBytes + bytes > limits.maxBytes else { return }
            try dropLogs(in: index)
        }
    }

    /// Takes out an event that the control plane will not have, so that it does not hold up all
    /// behind it: it is kept as a file, and a `dropped` event stands in its place.
    ///
    /// - Returns: where it is kept.
    func setAside(_ number: Int64) throws -> URL { try mending { try takeOut(number) } }

    private func takeOut(_ number: Int64) throws -> URL {
        if number >= segments[segments.count - 1].first { try addSegment(first: next) }
        let place = root.appending(path: "refused-\(spool)-\(number).json")
        guard let index = segments.indices.dropLast().first(where: { segments[$0].first <= number && number < segments[$0].next })
        else { return place }
        try rewrite(index) { event in
            guard event.number == number else { return false }
            try DiskFile.write(WireCoding.encode(event), to: place, mode: 0o600)
            return true
        }
        return place
    }

    private func dropLogs(in index: Int) throws {
        try rewrite(index) { if case .log = $0.body { true } else { false } }
        segments[index].holdsLogs = false
    }

    /// Puts a `dropped` event in the place of each event that `drops` says, in one step.
    private func rewrite(_ index: Int, drops: (AgentAPI.ReportEvent) throws -> Bool) throws {
        let segment = segments[index]
        sent = nil
        let (content, records) = try records(of: segment)
        var bytes = SegmentFormat.header(.init(spool: spool, first: segment.first))
        for record in records {
            let payload = content[record]
            let event = try WireCoding.decode(AgentAPI.ReportEvent.self, from: payload)
            if try drops(event) {
                let stone = EventDraft(at: event.at, body: .dropped(.init(events: 1)))
                bytes.append(SegmentFormat.frame(try stone.payload(number: event.number)))
            } else {
                bytes.append(SegmentFormat.frame(Data(payload)))
            }
        }
        try DiskFile.write(bytes, to: segment.file, mode: 0o600)
        segments[index].bytes = bytes.count
    }
}
