/// What happened, in order: always as a hash, so that two runs of a seed can be compared, and as
/// text where somebody wants to read it.
final class Trace: @unchecked Sendable {
    private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    private(set) var lines: [String] = []
    let isKept: Bool
    private unowned let loop: EventLoop

    init(loop: EventLoop, isKept: Bool) {
        self.loop = loop
        self.isKept = isKept
    }

    func note(_ who: String, _ what: @autoclosure () -> String) {
        let what = what()
        mix(UInt64(bitPattern: loop.now))
        for byte in who.utf8 { mix(UInt64(byte)) }
        for byte in what.utf8 { mix(UInt64(byte)) }
        guard isKept else { return }
        let milliseconds = loop.now / 1_000_000
        let fraction = String(1000 + milliseconds % 1000).dropFirst()
        let time = "\(milliseconds / 1000).\(fraction)"
        lines.append("\(String(repeating: " ", count: max(0, 9 - time.count)))\(time)  \(who): \(what)")
    }

    private func mix(_ value: UInt64) { hash = (hash ^ value) &* 0x100_0000_01B3 }
}
