typealias Influence = ColumnLineage.Influence

/// Rows at some place in a query: where each column comes from, and what decided which rows there
/// are. Influences always name columns of the task's inputs, never of something in between.
struct Relation: Hashable, Sendable {
    struct Column: Hashable, Sendable {
        var name: String
        var influences: Set<Influence>
    }

    var columns: [Column] = []
    var dataset: Set<Influence> = []

    /// With the first columns renamed, as `AS t(a, b)` does.
    func renamed(_ names: [String]) -> Relation {
        var copy = self
        for (index, name) in names.enumerated() where index < copy.columns.count { copy.columns[index].name = name }
        return copy
    }

    /// Everything that the columns come from.
    var influences: Set<Influence> { columns.reduce(into: []) { $0.formUnion($1.influences) } }
}

extension Set<ColumnLineage.Influence> {
    /// After something was computed from it.
    func transformed() -> Self {
        Set(
            map { influence in
                var changed = influence
                if changed.kind == .identity { changed.kind = .transformation }
                return changed
            })
    }

    /// After many rows were made one.
    func aggregated() -> Self {
        Set(
            map { influence in
                var changed = influence
                if changed.kind.isDirect { changed.kind = .aggregation }
                return changed
            })
    }

    /// Where a value only decides something. What already was indirect keeps its kind.
    func deciding(_ kind: ColumnLineage.Kind) -> Self {
        Set(
            map { influence in
                var changed = influence
                if changed.kind.isDirect { changed.kind = kind }
                return changed
            })
    }
}
