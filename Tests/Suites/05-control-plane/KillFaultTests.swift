import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

/// SIGKILL of the control plane under load: no acknowledged write is lost, none is half there.
@Suite(.timeLimit(.minutes(10))) struct KillFaultTests {
    /// Before a write reaches the log; before a commit is synced; after it, with the reply lost.
    enum Moment: String, CaseIterable { case any, write, before, after }

    @Test(arguments: Moment.allCases)
    func `a killed control plane has lost nothing that it acknowledged`(moment: Moment) async throws {
        try await Fleet.up { fleet in
            try await ControlPlaneLoad.with(fleet) { load in
                try await fleet.controlPlane.kill9()
                let disk = try await Disk(under: fleet.control, in: fleet.folder)
                for round in 1...FaultTally.rounds(2, long: 25) {
                    try await FaultTally.fault("control-plane.kill.\(moment.rawValue)") {
                        let point = moment == .any ? nil : "\(moment.rawValue):\(Int.random(in: 10...150))"
                        let daemon = try await fleet.serve(
                            environment: point == nil ? [:] : try await disk.begin(kill: point))
                        let pause = Duration.milliseconds(moment == .any ? Int.random(in: 50...600) : 4000)
                        try await load.run(pause)
                        try await daemon.kill9()
                        try await fleet.requireSound()
                        let again = try await fleet.serve()
                        let lost = try await load.lost()
                        #expect(lost.isEmpty, "round \(round), \(point ?? "after \(pause)"): lost \(lost)")
                        try await again.kill9()
                        load.forget()
                    }
                }
            }
        }
    }
}

/// The same when the machine loses power: what was not synced is gone, or half there.
@Suite(.timeLimit(.minutes(10))) struct PowerCutFaultTests {
    private func rounds(_ fleet: Fleet, _ load: ControlPlaneLoad, _ count: Int, lies: Bool = false) async throws -> [String] {
        try await fleet.controlPlane.kill9()
        let disk = try await Disk(under: fleet.control, in: fleet.folder)
        var lost: [String] = []
        for round in 1...count {
            let seed = UInt64.random(in: 1...UInt64(UInt32.max))
            let point = ["write", "before", "after"].randomElement().map { "\($0):\(Int.random(in: 20...300))" }
            let daemon = try await fleet.serve(environment: try await disk.begin(lies: lies, kill: point))
            try await load.run(.seconds(4))
            try await daemon.kill9()
            try await disk.cut(seed: seed)
            do {
                try await fleet.requireSound()
                let again = try await fleet.serve()
                lost += try await load.lost().map { "\($0) (round \(round), seed \(seed), \(point ?? ""))" }
                try await again.kill9()
            } catch  where lies {
                // A disk that lies may leave anything.
                lost.append("\(error)")
            }
            load.forget()
            if lies, !lost.isEmpty { break }
        }
        return lost
    }

    @Test func `a power cut loses nothing that was acknowledged`() async throws {
        try await Fleet.up { fleet in
            try await ControlPlaneLoad.with(fleet) { load in
                let count = FaultTally.rounds(4, long: 60)
                try await FaultTally.fault("control-plane.power_cut", count: count) {
                    let lost = try await rounds(fleet, load, count)
                    #expect(lost.isEmpty, "\(lost)")
                    try #require(lost.isEmpty)
                }
            }
        }
    }

    @Test func `the same test sees what a disk loses that lies about syncs`() async throws {
        // What `synchronous=NORMAL` would come to: a commit is answered before it is on the disk.
        var settings = Fleet.Settings()
        settings.endsSound = false
        try await Fleet.up(settings) { fleet in
            try await ControlPlaneLoad.with(fleet) { load in
                let lost = try await rounds(fleet, load, 12, lies: true)
                #expect(!lost.isEmpty, "the test cannot fail")
            }
        }
    }
}
