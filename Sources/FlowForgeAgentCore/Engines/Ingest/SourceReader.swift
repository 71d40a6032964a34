import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// SELECTs of raw files. Each gives, for every row that could be split into fields, the declared
/// columns as they arrived (`r0`, `r1`, …), its number among those (`ff row`, from 1), the file
/// (`ff file`), whether the row is broken as a whole (`ff broken`) and its raw form (`ff raw`).
struct SourceReader: Sendable {
    let source: SourceSpec
    /// How many files one statement reads.
    static let filesPerBatch = 100

    struct Batch: Sendable {
        var files: [SourceFiles.File]
        /// One for each file.
        var selects: [String]
        /// The file's own columns, for naming the place of a structural fault; empty unless CSV.
        var header: [String]
    }

    /// Batches of files with equal layout, and the names of undeclared columns that are left out.
    func batches(of files: [SourceFiles.File], in session: DuckDBSession) async throws -> (batches: [Batch], ignored: Set<String>)
    {
        var batches: [Batch] = []
        var ignored: Set<String> = []
        var start = files.startIndex
        while start < files.endIndex {
            let (names, select) = try await layout(of: files[start], in: session)
            ignored.formUnion(names.filter { name in !source.columns.contains { $0.name == name } })
            var end = files.index(after: start)
            while end < files.endIndex, end - start < Self.filesPerBatch,
                try await layout(of: files[end], in: session).names == names
            {
                end = files.index(after: end)
            }
            let part = Array(files[start..<end])
            let selects = try part.map { try select($0) }
            batches.append(
                Batch(files: part, selects: selects, header: source.format == .csv ? names : []))
            start = end
        }
        return (batches, ignored)
    }

    private typealias FileSelect = @Sendable (SourceFiles.File) throws -> String

    private func layout(of file: SourceFiles.File, in session: DuckDBSession) async throws -> (
        names: [String], select: FileSelect
    ) {
        switch source.format {
        case .csv:
            let header = try CSVHeader.read(file, source: source)
            let positions = try header.positions(of: source.columns, in: file, delimiter: source.delimiter)
            return (header.names, { csv($0, columns: header.names.count, positions: positions) })
        case .json: return ([], { json($0) })
        case .parquet:
            let names = try await parquetColumns(of: file, in: session)
            return (names, { parquet($0) })
        }
    }

    /// The same rows for a second look at a file. (Not with `ignore_errors`: that skips other rows than
    /// `store_rejects` does.)
    static func again(_ select: String) -> String {
        select.replacing(
            "store_rejects = true", with: "store_rejects = true, rejects_table = 'ff_seen', rejects_scan = 'ff_seen_scan'")
    }

    // MARK: CSV

    private func csv(_ file: SourceFiles.File, columns: Int, positions: [Int]) -> String {
        let names = (0..<columns).map { "'c\($0)': 'VARCHAR'" }.joined(separator: ", ")
        let raw = positions.enumerated().map { "c\($1) AS r\($0)" }.joined(separator: ", ")
        let nulls = SQLText.list([""] + source.nulls.filter { !$0.isEmpty })
        return """
            SELECT \(raw), row_number() OVER () AS "ff row", \(SQLText.literal(file.name)) AS "ff file", false AS "ff broken", \
            CAST(NULL AS VARCHAR) AS "ff raw" FROM read_csv(\(SQLText.literal(Self.escapingWildcards(file.path))), auto_detect = false, \
            header = true, delim = \(SQLText.literal(source.delimiter)), quote = \(SQLText.literal(source.quote)), \
            escape = \(SQLText.literal(source.quote)), nullstr = \(nulls), columns = {\(names)}, store_rejects = true)
            """
    }

    // MARK: JSON

    /// One object a line. The lines are read as text, because a line that is no JSON must not end the task.
    private func json(_ file: SourceFiles.File) -> String {
        let pointers = SQLText.list(source.columns.map { "/" + $0.name.replacing("~", with: "~0").replacing("/", with: "~1") })
        let nulls = source.nulls.isEmpty ? nil : SQLText.list(source.nulls)
        let raw = source.columns.indices.map { index in
            let value = "v[\(index + 1)]"
            return nulls.map { "CASE WHEN NOT list_contains(\($0), \(value)) THEN \(value) END AS r\(index)" }
                ?? "\(value) AS r\(index)"
        }
        return """
            SELECT \(raw.joined(separator: ", ")), "ff row", \(SQLText.literal(file.name)) AS "ff file", v IS NULL AS "ff broken", \
            line AS "ff raw" FROM (SELECT "ff row", line, CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' \
            THEN json_extract_string(line, \(pointers)) END AS v \
            FROM (SELECT line, row_number() OVER () AS "ff row" FROM read_csv(\(SQLText.literal(Self.escapingWildcards(file.path))), \
            auto_detect = false, header = false, delim = '\u{1}', quote = '', escape = '', nullstr = ['\u{2}'], max_line_size = 16000000, \
            columns = {'line': 'VARCHAR'}, store_rejects = true)))
            """
    }

    // MARK: Parquet

    private func parquet(_ file: SourceFiles.File) -> String {
        let raw = source.columns.enumerated().map { "\(SQLText.identifier($1.name)) AS r\($0)" }.joined(separator: ", ")
        return """
            SELECT \(raw), file_row_number + 1 AS "ff row", \(SQLText.literal(file.name)) AS "ff file", false AS "ff broken", \
            CAST(NULL AS VARCHAR) AS "ff raw" FROM read_parquet(\(SQLText.literal(Self.escapingWildcards(file.path))), \
            file_row_number = true, hive_partitioning = false)
            """
    }

    private func parquetColumns(of file: SourceFiles.File, in session: DuckDBSession) async throws -> [String] {
        let path = SQLText.literal(Self.escapingWildcards(file.path))
        let names = try await IncomingRows.describe("SELECT * FROM read_parquet(\(path), hive_partitioning = false)", in: session)
            .map(\.name)
        let missing = source.columns.map(\.name).filter { !names.contains($0) }
        guard missing.isEmpty else {
            throw CSVHeader.refusal(
                file, "lacks the declared columns \(missing.map { "'\($0)'" }.joined(separator: ", "))",
                hint: "its columns are \(names.prefix(50).joined(separator: ", "))")
        }
        return names
    }

    /// A file name may hold what DuckDB takes for a wildcard. A session must be allowed both spellings.
    static func escapingWildcards(_ path: String) -> String {
        path.replacing(#/[\[\]*?]/#) { "[\($0.output)]" }
    }
}
