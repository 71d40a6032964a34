import FlowForgeDomain
import FlowForgeProtocol

/// A sign and an ink for each state: ✔ done, ✖ failed, ● busy, ○ not yet, ⊘ never.
struct StateSign {
    let sign: String
    let ink: Style.Ink

    private init(_ unicode: String, _ ascii: String, _ ink: Style.Ink, _ style: Style) {
        sign = style.unicode ? unicode : ascii
        self.ink = ink
    }

    init(_ state: TaskState, _ style: Style) {
        switch state {
        case .succeeded: self.init("✔", "+", .green, style)
        case .failed: self.init("✖", "x", .red, style)
        case .leased, .running: self.init("●", "*", .cyan, style)
        case .cancelled, .skipped: self.init("⊘", "-", .yellow, style)
        case .waiting, .ready, .unknown: self.init("○", "o", .dim, style)
        }
    }

    init(_ state: RunState, _ style: Style) {
        switch state {
        case .succeeded: self.init("✔", "+", .green, style)
        case .failed: self.init("✖", "x", .red, style)
        case .running, .cancelling: self.init("●", "*", .cyan, style)
        case .cancelled: self.init("⊘", "-", .yellow, style)
        case .queued, .unknown: self.init("○", "o", .dim, style)
        }
    }

    init(_ state: GateVerdict.State, _ style: Style) {
        switch state {
        case .passed: self.init("✔", "+", .green, style)
        case .pending, .unknown: self.init("○", "o", .yellow, style)
        case .failed: self.init("✖", "x", .red, style)
        }
    }

    init(_ state: AgentState, _ style: Style) {
        switch state {
        case .online: self.init("●", "*", .green, style)
        case .draining, .deaf: self.init("●", "*", .yellow, style)
        case .offline: self.init("○", "o", .red, style)
        case .revoked, .unknown: self.init("⊘", "-", .dim, style)
        }
    }
}

extension Style {
    func sign(_ sign: StateSign) -> String { paint(sign.sign, sign.ink) }
    func word(_ sign: StateSign, _ text: String) -> String { paint("\(sign.sign) \(text)", sign.ink) }
}
