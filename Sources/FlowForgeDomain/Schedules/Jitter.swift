/// How late a tick fires: a hash of the schedule's id and the tick, so that schedules of one cadence
/// spread out, and each of them says the same in each computation, whatever the build or the machine.
enum Jitter {
    /// In milliseconds, below `bound`; zero where `bound` is not positive.
    static func milliseconds(id: String, tick: Int, below bound: Int) -> Int {
        guard bound > 0 else { return 0 }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // SplitMix64's finish, since FNV's high bits hardly depend on the last bytes.
        var mixed = hash &+ UInt64(bitPattern: Int64(tick)) &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        return Int(mixed.multipliedFullWidth(by: UInt64(bound)).high)
    }
}
