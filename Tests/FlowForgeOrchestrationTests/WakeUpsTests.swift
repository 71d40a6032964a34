import FlowForgeProtocol
import FlowForgeStore
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct WakeUpsTests {
    @Test func `a signal between taking a ticket and waiting is kept`() async {
        let wakeUps = WakeUps()
        let run = ID<Run>.make()
        let ticket = wakeUps.ticket(.run(run))
        wakeUps.wake(run: run)
        #expect(await ticket.wait(upTo: .seconds(60)).isChange)
        ticket.close()
        #expect(wakeUps.waiting == 0)
    }

    @Test func `room that is made while a poll looks is not forgotten by what it saw before`() async {
        let wakeUps = WakeUps()
        let agent = ID<Agent>.make()
        let ticket = wakeUps.ticket(.poll(agent: agent, pool: "p", engines: ["e"]))
        defer { ticket.close() }
        wakeUps.setFree(1, of: agent)
        ticket.looked(free: 0, had: false)
        #expect(await ticket.wait(upTo: .zero).isChange, "it has to look again")
    }
}
