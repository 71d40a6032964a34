import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// Compares two snapshots of a table in DuckDB. Only counts leave it.
struct LakeComparison: Sendable {
    let lake: LakeFolder
    let environment: String
    let host: EngineHost
    /// An empty folder, for DuckDB to spill into.
    let workspace: URL

    /// It runs beside the agent's tasks, so it is given little.
    private static let memoryBytes: Int64 = 1 << 30
    private static let threads = 2
    private static let columnsAtOnce = 100

    /// Throws `TaskError` for a snapshot that cannot be read and what DuckDB cannot do.
    func answer(_ question: CompareQuestion) async throws -> CompareAnswer {
        let left = try open(question.left, question.asset)
        let right = try open(question.right, question.asset)
        let settings = DuckDBSettings(
            memoryBytes: min(Self.memoryBytes, host.memoryBytes), threads: min(Self.threads, host.threads),
            temporaryFolder: workspace, extensions: host.extensions, folders: [workspace, left.url, right.url])
        do {
            return try await DuckDBSession.open(
                host: host, settings: settings, workspace: workspace, name: "compare", started: { _ in }
            ) { session in
                try await session.execute(["CREATE VIEW l AS \(left.select())", "CREATE VIEW r AS \(right.select())"])
                return try await compare(question, left.record, right.record, in: session)
            }
        } catch let failure as DuckDBFailure {
            let names = (left.record.schema + right.record.schema).map(\.name)
            let kind = failure.kind
            throw TaskError(
                code: kind.code, message: ErrorReducer(known: names + [question.asset.description]).reduce(failure),
                hint: kind.hint,
                retryable: kind.retryable)
        }
    }

    private func open(_ snapshot: SnapshotReference, _ asset: AssetName) throws -> SnapshotFolder {
        try SnapshotFolder.open(lake.snapshot(snapshot, of: asset, environment: environment), of: asset)
    }

    private func compare(
        _ question: CompareQuestion, _ left: SnapshotRecord, _ right: SnapshotRecord, in session: DuckDBSession
    ) async throws -> CompareAnswer {
        var columns = left.schema.map { column in
            let twin = right.schema.first { Self.isSame($0.name, column.name) }
            return ComparedColumn(name: column.name, leftType: column.type, rightType: twin?.type)
        }
        for column in right.schema where !left.schema.contains(where: { Self.isSame($0.name, column.name) }) {
            columns.append(ComparedColumn(name: column.name, rightType: column.type))
        }
        var answer = CompareAnswer(leftRows: left.rows, rightRows: right.rows, columns: columns)
        let keys = question.keys.compactMap { key in
            columns.first { Self.isSame($0.name, key) && $0.leftType != nil && $0.rightType != nil }
        }
        guard !keys.isEmpty, keys.count == question.keys.count else { return answer }
        let matched = try await match(keys, in: session)
        answer.keys = matched
        try await compare(&answer, keys, matched, in: session)
        return answer
    }

    private func match(_ keys: [ComparedColumn], in session: DuckDBSession) async throws -> ComparedKeys {
        func groups(_ side: String) -> String {
            let names = keys.enumerated().map { "\(Self.key($1, of: nil)) AS k\($0)" }
            return "(SELECT \(names.joined(separator: ", ")), count(*) AS n FROM \(side) GROUP BY ALL)"
        }
        let on = keys.indices.map { "a.k\($0) IS NOT DISTINCT FROM b.k\($0)" }.joined(separator: " AND ")
        return try await session.row(
            ComparedKeys.self,
            """
            SELECT count(*) FILTER (WHERE a.n > 0 AND b.n > 0) AS "both", count(*) FILTER (WHERE b.n IS NULL) AS "onlyLeft", \
            count(*) FILTER (WHERE a.n IS NULL) AS "onlyRight", count(*) FILTER (WHERE a.n > 1) AS "leftDuplicates", \
            count(*) FILTER (WHERE b.n > 1) AS "rightDuplicates", count(*) FILTER (WHERE a.n = 1 AND b.n = 1) AS "compared" \
            FROM \(groups("l")) a FULL JOIN \(groups("r")) b ON \(on)
            """)
    }

    private func compare(
        _ answer: inout CompareAnswer, _ keys: [ComparedColumn], _ matched: ComparedKeys, in session: DuckDBSession
    ) async throws {
        let tests: [(index: Int, sql: String)] = answer.columns.indices.compactMap { index in
            let column = answer.columns[index]
            guard !keys.contains(where: { $0.name == column.name }) else { return nil }
            return Self.test(column).map { (index, $0) }
        }
        func unique(_ side: String, _ duplicates: Int64) -> String {
            guard duplicates > 0 else { return side }
            let names = keys.map { Self.key($0, of: nil) }.joined(separator: ", ")
            return "(SELECT * FROM \(side) QUALIFY count(*) OVER (PARTITION BY \(names)) = 1)"
        }
        let on = keys.map { "\(Self.key($0, of: "l")) IS NOT DISTINCT FROM \(Self.key($0, of: "r"))" }.joined(separator: " AND ")
        let join =
            "\(unique("l", matched.leftDuplicates)) l JOIN \(unique("r", matched.rightDuplicates)) r ON \(on)"
        for start in stride(from: 0, to: tests.count, by: Self.columnsAtOnce) {
            let part = tests[start..<min(start + Self.columnsAtOnce, tests.count)]
            let measures = part.map { "count(*) FILTER (WHERE \($0.sql)) AS m\($0.index)" }
            let row = try await session.row([String: Int64].self, "SELECT \(measures.joined(separator: ", ")) FROM \(join)")
            for (index, _) in part {
                let matching = row["m\(index)"] ?? 0
                answer.columns[index].matchPercent =
                    matched.compared == 0 ? 100 : Double(matching) / Double(matched.compared) * 100
            }
        }
    }

    /// Whether the values of a pair of rows match; `nil` for what cannot be compared.
    private static func test(_ column: ComparedColumn) -> String? {
        guard let left = column.leftType, let right = column.rightType else { return nil }
        let name = SQLText.identifier(column.name)
        let equal = "l.\(name) IS NOT DISTINCT FROM r.\(name)"
        if left == right || isNumber(left) && isNumber(right) { return equal }
        guard !isNested(left), !isNested(right) else { return nil }
        return "CAST(l.\(name) AS VARCHAR) IS NOT DISTINCT FROM CAST(r.\(name) AS VARCHAR)"
    }

    /// Keys of two types are compared as text.
    private static func key(_ column: ComparedColumn, of side: String?) -> String {
        let name = (side.map { "\($0)." } ?? "") + SQLText.identifier(column.name)
        return column.leftType == column.rightType ? name : "CAST(\(name) AS VARCHAR)"
    }

    private static func isSame(_ name: String, _ other: String) -> Bool { name.lowercased() == other.lowercased() }

    private static func isNumber(_ type: String) -> Bool {
        !type.hasSuffix("]")
            && type.starts(with: #/(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL)\b/#)
    }

    private static func isNested(_ type: String) -> Bool {
        type.hasSuffix("]") || type.starts(with: #/(STRUCT|MAP|UNION)\(/#)
    }
}
