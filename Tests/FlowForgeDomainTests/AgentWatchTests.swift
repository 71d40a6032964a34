import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@Suite struct ProcessWatchTests {
    private let start = Date(timeIntervalSince1970: 1_000_000)
    private let first = ID<AgentProcess>.make()
    private let second = ID<AgentProcess>.make()

    @Test func `one process that counts on speaks`() {
        var watch = ProcessWatch()
        for number in [1, 2, 5, 9] as [Int64] { #expect(watch.polled(by: first, sequence: number, at: start) == .speaks) }
    }

    @Test func `a restarted agent takes over, and a late poll of the one before is no proof`() {
        var watch = ProcessWatch()
        _ = watch.polled(by: first, sequence: 7, at: start)
        #expect(watch.polled(by: second, sequence: 1, at: start) == .takesOver)
        #expect(watch.isFormer(first) && !watch.isFormer(second))
        #expect(watch.polled(by: first, sequence: 8, at: start) == .late)
        #expect(watch.polled(by: second, sequence: 2, at: start) == .speaks)
    }

    @Test func `a process that goes on after another took over is a clone`() {
        var watch = ProcessWatch()
        _ = watch.polled(by: first, sequence: 1, at: start)
        _ = watch.polled(by: second, sequence: 1, at: start)
        let verdicts = (2...4).map { watch.polled(by: first, sequence: $0, at: start) }
        #expect(verdicts == [.late, .late, .cloned])
        #expect(watch.polled(by: second, sequence: 2, at: start) == .speaks)
    }

    @Test func `one process that runs twice from one memory image repeats its numbers and is found`() {
        var watch = ProcessWatch()
        _ = watch.polled(by: first, sequence: 100, at: start)
        var verdicts: [ProcessWatch.Verdict] = []
        for number in 101...103 as ClosedRange<Int64> {
            for _ in 1...2 { verdicts.append(watch.polled(by: first, sequence: number, at: start)) }
        }
        #expect(verdicts == [.speaks, .late, .speaks, .late, .speaks, .cloned])
    }

    @Test func `late polls that are far apart are borne`() {
        var watch = ProcessWatch()
        _ = watch.polled(by: first, sequence: 100, at: start)
        for minute in 1...10 {
            #expect(watch.polled(by: first, sequence: 1, at: start + Double(minute) * 61) == .late)
        }
    }

    @Test func `of many former processes the newest are remembered`() {
        var watch = ProcessWatch()
        let all = (0..<20).map { _ in ID<AgentProcess>.make() }
        for process in all { _ = watch.polled(by: process, sequence: 1, at: start) }
        #expect(all.filter { watch.isFormer($0) } == Array(all[11..<19]))
    }
}

@Suite struct DeafnessTests {
    @Test func `three missed answers make an agent deaf, and each probe that it misses makes the pause longer`() {
        let start = Date(timeIntervalSince1970: 1_000_000)
        var deafness = Deafness()
        var pauses: [Double?] = []
        for minute in 1...12 {
            let now = start + Double(minute) * 60
            deafness.missed(leasedAt: now - 15, at: now)
            pauses.append(deafness.probeAt?.timeIntervalSince(now))
        }
        #expect(pauses == [nil, nil, 30, 60, 120, 240, 480, 900, 900, 900, 900, 900])
    }
}
