import FlowForgeTestValues

/// The one source of chance of a schedule.
struct Chance: RandomNumberGenerator {
    private var numbers: SeededNumbers
    init(seed: UInt64) { numbers = SeededNumbers(seed: seed) }

    mutating func next() -> UInt64 { numbers.next() }

    /// From 0 up to 1.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
    mutating func happens(_ probability: Double) -> Bool { unit() < probability }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func seconds(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + unit() * (range.upperBound - range.lowerBound)
    }
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
    /// Mostly short, now and then very long.
    mutating func latency() -> Double {
        let place = unit()
        return place < 0.9 ? seconds(0.0005...0.03) : place < 0.98 ? seconds(0.03...2) : seconds(2...50)
    }
}
