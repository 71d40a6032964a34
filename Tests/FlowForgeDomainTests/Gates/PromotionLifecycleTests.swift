import FlowForgeDomain
import FlowForgeTestValues
import Testing

struct PromotionLifecycleTests {
    private let steps = PromotionStep.steps(of: .physical, computes: true)

    /// What may happen to it, by number.
    private static func apply(_ event: Int, to machine: inout PromotionLifecycle) {
        switch event {
        case 0: _ = machine.judged(.open)
        case 1: _ = machine.judged(.pending)
        case 2: _ = machine.judged(.denied)
        case 3: _ = machine.begin()
        case 4: if case .perform(let step) = machine.next { _ = machine.performed(step) }
        case 5: _ = machine.failed()
        case 6: if case .undo(let step) = machine.next { _ = machine.undid(step) }
        case 7: _ = machine.cancel()
        case 8: _ = machine.expire()
        default: _ = machine.refuse()
        }
    }

    @Test func `whatever happens in whatever order, it is finished, undone, or was never begun`() {
        for seed in 0..<2000 as Range<UInt64> {
            var generator = SeededNumbers(seed: seed)
            var machine = PromotionLifecycle(steps: steps)
            for _ in 0..<40 {
                let before = machine
                Self.apply(Int.random(in: 0...9, using: &generator), to: &machine)
                if before.state.isFinal { #expect(machine == before, "seed \(seed)") }
                #expect(steps.starts(with: machine.done), "seed \(seed)")
                switch machine.state {
                case .succeeded: #expect(machine.done == steps, "seed \(seed)")
                case .waiting, .queued, .undone, .refused, .cancelled, .expired:
                    #expect(machine.done.isEmpty, "seed \(seed)")
                case .applying: #expect(machine.done.count < steps.count, "seed \(seed)")
                case .undoing: #expect(!machine.done.isEmpty, "seed \(seed)")
                case .unknown: Issue.record("seed \(seed): unknown")
                }
            }
        }
    }

    @Test func `steps are undone in reverse, and every state leads to an end`() {
        var machine = PromotionLifecycle(steps: steps)
        for event in [0, 3] { Self.apply(event, to: &machine) }
        for step in steps.dropLast() {
            #expect(machine.next == .perform(step))
            Self.apply(4, to: &machine)
        }
        Self.apply(7, to: &machine)
        #expect(machine.state == .undoing)
        var undone: [PromotionStep] = []
        while case .undo(let step) = machine.next {
            undone.append(step)
            Self.apply(6, to: &machine)
        }
        #expect(undone == steps.dropLast().reversed() && machine.state == .undone)
    }

    @Test func `an opened gate that closes again takes the change out of the queue`() {
        var machine = PromotionLifecycle(steps: steps)
        for (event, state) in [(0, PromotionState.queued), (1, .waiting), (3, .waiting), (0, .queued), (2, .refused)] {
            Self.apply(event, to: &machine)
            #expect(machine.state == state)
        }
    }
}
