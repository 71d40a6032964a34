internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import Foundation

/// What DuckDB is asked, and how its answers are read. No text of others reaches the command line
/// program as it is (``SQLText/opaque(_:)``), and the session is as locked as an agent's.
struct LockScript {
    /// One SELECT over tables with these columns.
    struct Question {
        var text: QueryText
        var inputs: [(asset: AssetName, columns: [LockedColumn])]
    }

    struct Answer {
        var parsed: QueryText.Parsed?
        /// Empty: DuckDB refused the SELECT.
        var columns: [ColumnSchema] = []
    }

    private let preamble: [String]
    private let folder: String

    init(_ manifest: Manifest, folder: URL) {
        self.folder = folder.path(percentEncoded: false)
        let instant = SQLText.literal(Date(timeIntervalSince1970: 0))
        let values = (manifest.variables + manifest.parameters).map { spec in
            "SET VARIABLE \(SQLText.identifier(spec.name)) = \(SQLText.literal(spec.defaultValue ?? .null, as: spec.type))"
        }
        preamble =
            [
                "SET errors_as_json = true", "SET memory_limit = '1GB'", "SET threads = 1",
                "SET extension_directory = \(SQLText.literal(self.folder))", "SET autoinstall_known_extensions = false",
                "SET autoload_known_extensions = false", "SET allow_community_extensions = false", "SET TimeZone = 'UTC'",
                "SET Calendar = 'gregorian'",
            ] + values + [
                "SET VARIABLE run_time = \(instant)", "SET VARIABLE scheduled_for = \(instant)",
                "SET VARIABLE run_id = \(SQLText.literal(ID<Run>.make().description))",
                "SET allowed_directories = \(SQLText.list([self.folder.hasSuffix("/") ? self.folder : self.folder + "/"]))",
                "SET enable_external_access = false", "SET lock_configuration = true",
            ]
    }

    private func script(_ statements: [String]) -> String { (preamble + statements).joined(separator: "\n;\n") + "\n;\n" }

    // MARK: what a SELECT gives

    /// Each question sees its own inputs and nothing else.
    func asking(_ questions: [Question]) -> String {
        script(
            questions.enumerated().flatMap { number, question -> [String] in
                let layers = Set(question.inputs.map(\.asset.layer.rawValue)).sorted()
                let tables = question.inputs.flatMap { asset, columns in
                    [
                        "SET VARIABLE \"ff in\" = \(SQLText.opaque(Self.empty(columns)))",
                        "CREATE TABLE \(SQLText.name(of: asset)) AS SELECT * FROM query(getvariable('ff in'))",
                    ]
                }
                return layers.map { "CREATE SCHEMA \(SQLText.identifier($0))" } + tables + [
                    question.text.setting, "SELECT \(number) AS ff_question", QueryText.Parsed.query,
                    "DESCRIBE \(QueryText.select)", "SELECT NULL AS ff_question",
                ] + layers.map { "DROP SCHEMA IF EXISTS \(SQLText.identifier($0)) CASCADE" }
            })
    }

    // MARK: what becomes of it in files

    /// The way of some columns into a file and back.
    func storing(_ tables: [[ColumnSchema]]) -> String {
        script(
            tables.enumerated().flatMap { number, columns -> [String] in
                let file = SQLText.literal("\(folder.hasSuffix("/") ? folder : folder + "/")\(number).parquet")
                let rows = Self.empty(columns.map { LockedColumn(name: $0.name, type: StoredType.of($0.type)) })
                return [
                    "SET VARIABLE \"ff in\" = \(SQLText.opaque(rows))",
                    "COPY (SELECT * FROM query(getvariable('ff in'))) TO \(file) (FORMAT parquet)",
                    "SELECT \(number) AS ff_question",
                    "DESCRIBE SELECT * FROM read_parquet(\(file), hive_partitioning = false)", "SELECT NULL AS ff_question",
                ]
            })
    }

    /// A SELECT of no rows with these columns.
    private static func empty(_ columns: [LockedColumn]) -> String {
        let nulls = columns.map { "CAST(NULL AS \($0.type)) AS \(SQLText.identifier($0.name))" }
        return "SELECT \(nulls.joined(separator: ", ")) WHERE false"
    }

    // MARK: answers

    private struct Line: Decodable {
        var ff_question: Int?
        var column_name: String?
        var column_type: String?
        var failed: Bool?
    }

    /// By the number of the question; one that is missing was not come to.
    static func answers(in rows: Data) -> [Int: Answer] {
        var answers: [Int: Answer] = [:]
        var current: Int?
        for line in rows.split(separator: UInt8(ascii: "\n")) {
            guard let row = try? JSONDecoder().decode(Line.self, from: line) else { continue }
            if let name = row.column_name, let type = row.column_type, let current {
                answers[current]?.columns.append(ColumnSchema(name: name, type: type))
            } else if row.failed != nil, let current {
                answers[current]?.parsed = try? JSONDecoder().decode(QueryText.Parsed.self, from: line)
            } else {
                current = row.ff_question
                if let current { answers[current] = Answer() }
            }
        }
        return answers
    }
}
