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
        #expect(await ticket.wait(upTo: .seconds(60)) == .changed)
        ticket.close()
        #expect(wakeUps.waiting == 0)
    }
}
