extension WakeUps {
    /// Waiters in the order in which they came: who gets a task depends on that, and not on hashing.
    struct Line: Sequence {
        private var ids: [UInt64] = []
        var isEmpty: Bool { ids.isEmpty }

        /// Mostly at the end, since ids grow.
        mutating func insert(_ id: UInt64) {
            let place = place(of: id)
            if place == ids.count || ids[place] != id { ids.insert(id, at: place) }
        }

        mutating func remove(_ id: UInt64) {
            let place = place(of: id)
            if place < ids.count, ids[place] == id { ids.remove(at: place) }
        }

        /// Where it is, or belongs.
        private func place(of id: UInt64) -> Int {
            if ids.last.map({ $0 < id }) ?? true { return ids.count }
            var (low, high) = (0, ids.count)
            while low < high {
                let middle = (low + high) / 2
                if ids[middle] < id { low = middle + 1 } else { high = middle }
            }
            return low
        }

        func makeIterator() -> IndexingIterator<[UInt64]> { ids.makeIterator() }
    }

    /// The polls of a pool that a ready task concerns.
    struct PoolWaiters {
        /// Just now asking the database.
        var looking = Line()
        /// Parked, and their agents have room.
        var takers = Line()
        var isEmpty: Bool { looking.isEmpty && takers.isEmpty }
    }
}
