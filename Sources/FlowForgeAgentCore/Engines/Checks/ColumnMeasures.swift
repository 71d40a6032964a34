import FlowForgeBundle
import FlowForgeProtocol

/// Statistics of the columns of a snapshot. No text value leaves: of text only lengths are measured,
/// and a column tagged `sensitive` has no extremes.
struct ColumnMeasures: Sendable {
    private struct Keys: Sendable {
        var column: ColumnSchema
        var family: Family
        var present: String
        var distinct: String?
        var minimum: String?
        var maximum: String?
        var average: String?
    }

    private var columns: [Keys] = []

    private enum Family: Sendable { case integer, number, moment, text, other, nested }

    init(_ schema: [ColumnSchema], in profile: inout SnapshotProfile) {
        for column in schema {
            let name = SQLText.identifier(column.name)
            let family = Self.family(column.type)
            let sensitive = column.tags.contains("sensitive")
            var keys = Keys(column: column, family: family, present: profile.add("count(\(name))"))
            if family != .nested { keys.distinct = profile.add("approx_count_distinct(\(name))") }
            switch family {
            case .integer, .number, .moment:
                if sensitive { break }
                keys.minimum = profile.add(Self.extreme("min(\(name))", column.type, family))
                keys.maximum = profile.add(Self.extreme("max(\(name))", column.type, family))
            case .text:
                keys.minimum = profile.add("min(length(\(name)))")
                keys.maximum = profile.add("max(length(\(name)))")
                keys.average = profile.add("avg(length(\(name)))")
            default: break
            }
            columns.append(keys)
        }
    }

    func statistics(from profile: SnapshotProfile) -> [ColumnStatistics] {
        columns.map { keys in
            let present = profile.integer(keys.present) ?? 0
            var result = ColumnStatistics(
                column: keys.column.name, count: profile.rows, nulls: profile.rows - present,
                // An estimate may exceed what there is.
                distinct: keys.distinct.flatMap { profile.integer($0) }.map { min($0, present) })
            switch keys.family {
            case .integer:
                result.minimum = keys.minimum.flatMap { profile.integer($0) }.map(JSONValue.integer)
                result.maximum = keys.maximum.flatMap { profile.integer($0) }.map(JSONValue.integer)
            case .number:
                result.minimum = keys.minimum.flatMap { profile.number($0) }.map(JSONValue.number)
                result.maximum = keys.maximum.flatMap { profile.number($0) }.map(JSONValue.number)
            case .moment:
                result.minimum = keys.minimum.flatMap { profile.text($0) }.map(JSONValue.string)
                result.maximum = keys.maximum.flatMap { profile.text($0) }.map(JSONValue.string)
            case .text:
                result.minimumLength = keys.minimum.flatMap { profile.integer($0) }
                result.maximumLength = keys.maximum.flatMap { profile.integer($0) }
                result.averageLength = keys.average.flatMap { profile.number($0) }
            case .other, .nested: break
            }
            return result
        }
    }

    /// Infinities and NaN are no JSON, and no dates.
    private static func extreme(_ aggregate: String, _ type: String, _ family: Family) -> String {
        switch (family, type) {
        case (.number, "FLOAT"), (.number, "DOUBLE"): "CASE WHEN isfinite(\(aggregate)) THEN \(aggregate) END"
        case (.moment, "TIME"): "CAST(\(aggregate) AS VARCHAR)"
        case (.moment, "DATE"): "CASE WHEN isfinite(\(aggregate)) THEN strftime(\(aggregate), '%Y-%m-%d') END"
        case (.moment, "TIMESTAMP WITH TIME ZONE"):
            "CASE WHEN isfinite(\(aggregate)) THEN strftime(\(aggregate), '%Y-%m-%dT%H:%M:%S.%gZ') END"
        case (.moment, _): "CASE WHEN isfinite(\(aggregate)) THEN strftime(\(aggregate), '%Y-%m-%dT%H:%M:%S.%g') END"
        default: aggregate
        }
    }

    private static func family(_ type: String) -> Family {
        switch type {
        case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT": .integer
        case "FLOAT", "DOUBLE": .number
        case "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS": .moment
        case "VARCHAR": .text
        case _ where type.hasSuffix("]") || type.hasPrefix("STRUCT") || type.hasPrefix("MAP") || type.hasPrefix("UNION"): .nested
        case _ where type.hasPrefix("DECIMAL"): .number
        default: .other
        }
    }
}
