/// SplitMix64 (Steele, Lea, Flood 2014): the one source of chance of a schedule.
struct Chance: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

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
