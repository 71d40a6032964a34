import FlowForgeProtocol
import Foundation
import NIOCore

/// The agent API's messages, made once from its own types and filled in by hand: encoding each anew
/// would cost the load more than the control plane that it is to load.
struct Messages {
    /// How a task's attempt is told.
    enum Telling { case states, statesAndLineage }

    /// Offers every slot; no leases are held, as all work is done at once.
    let poll: ByteBuffer
    private let server: Server
    private let envelope: Template
    private let started: Template
    private let finished: Template

    init(server: Server, engine: String, slots: Int, wait: Double, telling: Telling) throws {
        self.server = server
        let offer = AgentAPI.WorkOffer(slots: slots, engines: [engine])
        let request = AgentAPI.PollRequest(
            freeSlots: slots, slots: slots, engines: [.init(name: engine, version: FlowForgeVersion.current)], waitSeconds: wait,
            offer: offer)
        poll = server.post("poll", try WireCoding.encode(request))
        envelope = Template(try WireCoding.encode(AgentAPI.ReportRequest(spool: Place.spool, events: [], offer: offer)))
        let metrics = TaskMetrics(wallSeconds: 0.0042, cpuSeconds: 0.0011, peakMemoryBytes: 3 << 20)
        var first: [AgentAPI.ReportBody] = [.started(.init(pid: 4242))]
        var second: [AgentAPI.ReportBody] = [.finished(.init(outcome: .succeeded, metrics: metrics))]
        if telling == .statesAndLineage {
            first.append(.lineage(Self.lineage(.start)))
            second.insert(.lineage(Self.lineage(.complete)), at: 0)
        }
        started = try Self.template(first)
        finished = try Self.template(second)
    }

    /// Everything about these attempts from the start to the end, numbered on from `number`, which
    /// grows by as many.
    func report(_ assigned: [Assigned], spool: ID<Spool>, after number: inout Int64) -> ByteBuffer {
        var events: [UInt8] = []
        for assignment in assigned {
            for template in [started, finished] {
                if !events.isEmpty { events.append(UInt8(ascii: ",")) }
                template.fill(&events, assignment: assignment, spool: spool, number: &number)
            }
        }
        var body: [UInt8] = []
        envelope.fill(&body, assignment: nil, spool: spool, number: &number, events: events)
        return server.post("report", body)
    }

    private static func template(_ bodies: [AgentAPI.ReportBody]) throws -> Template {
        var bytes: [UInt8] = []
        for body in bodies {
            if !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
            bytes += try WireCoding.encode(
                AgentAPI.ReportEvent(
                    number: Place.number, at: Date(), attempt: Place.attempt, lease: Place.lease, fencing: Place.fencing,
                    body: body))
        }
        return Template(Data(bytes))
    }

    /// As the agent tells it of a command without inputs and output.
    private static func lineage(_ type: OpenLineage.EventType) -> OpenLineage.RunEvent {
        func facet(_ name: String, _ members: [String: JSONValue]) -> JSONValue {
            let about: [String: JSONValue] = [
                "_producer": .string(OpenLineage.producer),
                "_schemaURL": .string("https://openlineage.io/spec/facets/1-0-0/\(name)Facet.json#/$defs/\(name)Facet"),
            ]
            return .object(about.merging(members) { $1 })
        }
        let namespace = OpenLineage.namespace(environment: "bench")
        return OpenLineage.RunEvent(
            eventTime: Date(), eventType: type,
            run: .init(
                runId: Place.attempt.uuid,
                facets: [
                    "parent": facet(
                        "ParentRun",
                        [
                            "run": .object(["runId": .string(Place.attempt.uuid.uuidString.lowercased())]),
                            "job": .object(["namespace": .string(namespace), "name": .string("bench.load")]),
                        ]),
                    "nominalTime": facet("NominalTimeRun", ["nominalStartTime": .string(WireCoding.text(Date()))]),
                    "processing_engine": facet(
                        "ProcessingEngineRun",
                        ["name": .string("command"), "version": .string("1"), "openlineageAdapterVersion": .string("1")]),
                ]),
            job: .init(
                namespace: namespace, name: "bench.load.task",
                facets: [
                    "jobType": facet(
                        "JobTypeJob",
                        [
                            "processingType": .string("BATCH"), "integration": .string("FLOWFORGE"),
                            "jobType": .string("COMMAND"),
                        ])
                ]),
            inputs: [], outputs: [])
    }
}

/// What the fleet needs to know of an assignment; the wire has more.
struct Assigned: Decodable {
    var attempt: String
    var lease: String
    var fencing: Int64
}

/// What the fleet needs to know of an answer to a poll or a report.
struct Heard: Decodable {
    var assignments: [Assigned]?
    var acknowledged: Int64?
    var stale: [String]?
}

/// What a ``Template`` replaces.
private enum Place {
    static let spool = ID<Spool>(uuid: UUID(uuid: (1, 1, 1, 1, 1, 1, 0x71, 1, 0x81, 1, 1, 1, 1, 1, 1, 1)))
    static let attempt = ID<Attempt>(uuid: UUID(uuid: (2, 2, 2, 2, 2, 2, 0x72, 2, 0x82, 2, 2, 2, 2, 2, 2, 2)))
    static let lease = ID<Lease>(uuid: UUID(uuid: (3, 3, 3, 3, 3, 3, 0x73, 3, 0x83, 3, 3, 3, 3, 3, 3, 3)))
    static let fencing: Int64 = 7_777_777_777_777
    static let number: Int64 = 8_888_888_888_888
}

/// An encoded message with places in it.
private struct Template {
    private enum Part {
        case bytes([UInt8])
        case spool, attempt, lease, fencing, number, events
    }

    private let parts: [Part]

    init(_ data: Data) {
        var parts: [Part] = [.bytes(Array(data))]
        let places: [(String, Part)] = [
            (Place.spool.description, .spool), (Place.attempt.description, .attempt), (Place.lease.description, .lease),
            (String(Place.fencing), .fencing), (String(Place.number), .number), ("\"events\":[]", .events),
        ]
        for (text, place) in places {
            parts = parts.flatMap { part -> [Part] in
                guard case .bytes(let bytes) = part else { return [part] }
                var pieces: [Part] = []
                var rest = bytes[...]
                while let range = rest.firstRange(of: Array(text.utf8)) {
                    pieces += [.bytes(Array(rest[..<range.lowerBound])), place]
                    rest = rest[range.upperBound...]
                }
                return pieces + [.bytes(Array(rest))]
            }
        }
        self.parts = parts
    }

    func fill(
        _ bytes: inout [UInt8], assignment: Assigned?, spool: ID<Spool>, number: inout Int64, events: [UInt8] = []
    ) {
        for part in parts {
            switch part {
            case .bytes(let text): bytes += text
            case .spool: bytes += spool.description.utf8
            case .attempt: bytes += (assignment?.attempt ?? "").utf8
            case .lease: bytes += (assignment?.lease ?? "").utf8
            case .fencing: bytes += String(assignment?.fencing ?? 0).utf8
            case .number:
                number += 1
                bytes += String(number).utf8
            case .events: bytes += Array("\"events\":[".utf8) + events + [UInt8(ascii: "]")]
            }
        }
    }
}
