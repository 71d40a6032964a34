import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// A task's checks, compiled to SQL over the staged snapshot. Those that look at one row at a time
/// share the profile's scan; the others are queries of their own.
struct CheckRun: Sendable {
    private let checks: [Compiled]

    private struct Compiled: Sendable {
        var spec: CheckSpec
        var measure: Measure
    }

    private enum Measure: Sendable {
        /// The profile's key of a count of bad rows, and what a bad row is.
        case badRows(key: String, what: String)
        /// The profile's key of a flag.
        case flag(key: String, what: String)
        case rowCount
        /// A SELECT of one number, the bad rows, and what they are.
        case query(String, what: String)
    }

    /// Adds what the checks need to the profile.
    init(_ specs: [CheckSpec], in profile: inout SnapshotProfile) {
        var compiled: [Compiled] = []
        for (number, spec) in specs.enumerated() {
            compiled.append(Compiled(spec: spec, measure: Self.compile(spec.rule, number: number, in: &profile)))
        }
        checks = compiled
    }

    private static func compile(_ rule: CheckSpec.Rule, number: Int, in profile: inout SnapshotProfile) -> Measure {
        switch rule {
        case .notNull(let column):
            let name = SQLText.identifier(column)
            return .badRows(key: profile.add("count(*) FILTER (WHERE \(name) IS NULL)"), what: "are null")
        case .acceptedValues(let column, let values):
            let list = values.map(SQLText.constant).joined(separator: ", ")
            let name = SQLText.identifier(column)
            let key = profile.add("count(*) FILTER (WHERE \(name) IS NOT NULL AND NOT (\(name) IN (\(list))))")
            return .badRows(key: key, what: "are none of the \(values.count) accepted values")
        case .range(let column, let minimum, let maximum):
            let name = SQLText.identifier(column)
            let outside = [
                minimum.map { "\(name) < \(SQLText.constant($0))" }, maximum.map { "\(name) > \(SQLText.constant($0))" },
            ]
            .compactMap(\.self).joined(separator: " OR ")
            let key = profile.add("count(*) FILTER (WHERE \(outside.isEmpty ? "false" : outside))")
            return .badRows(key: key, what: "are outside the range")
        case .freshness(let column, let seconds):
            let newest = "max(CAST(\(SQLText.identifier(column)) AS TIMESTAMP WITH TIME ZONE))"
            let key = profile.add(
                "coalesce(\(newest) >= getvariable('run_time') - to_milliseconds(\(Int64(seconds * 1000))), false)")
            return .flag(key: key, what: "the newest value is at most \(CheckRun.plain(seconds)) s older than the run")
        case .rowCount: return .rowCount
        case .unique(let columns):
            let names = SQLText.identifiers(columns)
            let present = columns.map { "\(SQLText.identifier($0)) IS NOT NULL" }.joined(separator: " AND ")
            return .query(
                "SELECT coalesce(sum(n), 0)::BIGINT AS n FROM (SELECT count(*) AS n FROM this WHERE \(present) GROUP BY \(names) HAVING count(*) > 1)",
                what: "share their value with another")
        case .relationships(let column, let to, let field):
            let name = SQLText.identifier(column)
            return .query(
                "SELECT count(*) AS n FROM this t ANTI JOIN \(SQLText.name(of: to)) o ON t.\(name) = o.\(SQLText.identifier(field)) WHERE t.\(name) IS NOT NULL",
                what: "have no counterpart in \(to).\(field)")
        case .sql:
            return .query(
                "SELECT count(*) AS n FROM query(getvariable('ff check \(number)'))", what: "were returned by the query")
        }
    }

    /// Judges all checks, in their order. The profile has run.
    func results(from profile: SnapshotProfile, in session: DuckDBSession) async throws -> [CheckResult] {
        var results: [CheckResult] = []
        for (number, check) in checks.enumerated() {
            let spec = check.spec
            if case .sql(let query) = spec.rule {
                try await session.execute("SET VARIABLE \"ff check \(number)\" = \(SQLText.opaque(query))")
            }
            var result = CheckResult(
                name: spec.name, kind: spec.rule.kind, column: spec.rule.column, severity: spec.severity, passed: true,
                message: "")
            switch check.measure {
            case .badRows(let key, let what): result.judge(profile.integer(key) ?? 0, of: profile.rows, what)
            case .query(let sql, let what):
                result.judge(try await session.row(Counted.self, sql).n, of: profile.rows, what)
            case .flag(let key, let what):
                result.passed = profile.flag(key) ?? false
                result.message = result.passed ? what : "not so: \(what)"
            case .rowCount:
                guard case .rowCount(let minimum, let maximum) = spec.rule else { break }
                result.passed = profile.rows >= minimum ?? 0 && profile.rows <= maximum ?? .max
                let bounds = "\(minimum.map(String.init) ?? "0") to \(maximum.map(String.init) ?? "any number")"
                result.message = "\(profile.rows) rows, allowed are \(bounds)"
            }
            results.append(result)
        }
        return results
    }

    private struct Counted: Decodable, Sendable { var n: Int64 }

    static func plain(_ number: Double) -> String { Int64(exactly: number).map(String.init) ?? String(number) }
}

extension CheckResult {
    fileprivate mutating func judge(_ bad: Int64, of rows: Int64, _ what: String) {
        passed = bad == 0
        failingRows = bad
        message = kind == "sql" ? "\(bad) rows \(what)" : "\(bad) of \(rows) rows \(what)"
    }
}

extension CheckSpec.Rule {
    /// The one column that the check is about; `nil` where there are several or none.
    var column: String? {
        switch self {
        case .notNull(let column), .acceptedValues(let column, _), .range(let column, _, _), .relationships(let column, _, _),
            .freshness(let column, _):
            column
        case .unique(let columns): columns.count == 1 ? columns[0] : nil
        case .rowCount, .sql: nil
        }
    }
}

extension SQLText {
    /// A manifest's value to compare a column with: numbers bare, so that they take the column's type.
    static func constant(_ value: JSONValue) -> String {
        if case .number(let number) = value { String(number) } else { literal(value) }
    }
}
