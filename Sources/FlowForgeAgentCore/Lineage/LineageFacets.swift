import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// The OpenLineage facets that tasks carry, each with the version of its published schema.
enum LineageFacets {
    typealias Facet = (key: String, value: JSONValue)

    private static func facet(_ key: String, _ file: String, _ members: [String: JSONValue]) -> Facet {
        var all = members
        let definition = file.split(separator: "/").last.map { $0.dropLast(5) } ?? ""
        all["_producer"] = .string(OpenLineage.producer)
        all["_schemaURL"] = .string("https://openlineage.io/spec/facets/\(file)#/$defs/\(definition)")
        return (key, .object(all))
    }

    static func all(_ facets: [Facet?]) -> [String: JSONValue] {
        Dictionary(uniqueKeysWithValues: facets.compactMap(\.self).map { ($0.key, $0.value) })
    }

    // MARK: of runs

    static func parent(run: ID<Run>, namespace: String, job: String) -> Facet {
        let id: JSONValue = .string(run.uuid.uuidString.lowercased())
        let jobMember: JSONValue = ["namespace": .string(namespace), "name": .string(job)]
        return facet(
            "parent", "1-2-0/ParentRunFacet.json",
            ["run": ["runId": id], "job": jobMember, "root": ["run": ["runId": id], "job": jobMember]])
    }

    static func nominalTime(_ time: Date) -> Facet {
        facet(
            "nominalTime", "1-0-1/NominalTimeRunFacet.json", ["nominalStartTime": .string(time.formatted(WireCoding.timeStyle))])
    }

    static func processingEngine(name: String, version: String) -> Facet {
        facet("processing_engine", "1-1-1/ProcessingEngineRunFacet.json", ["name": .string(name), "version": .string(version)])
    }

    static func errorMessage(_ error: TaskError, language: String) -> Facet {
        let text = error.hint.map { "\(error.code): \(error.message) (\($0))" } ?? "\(error.code): \(error.message)"
        return facet(
            "errorMessage", "1-0-1/ErrorMessageRunFacet.json",
            ["message": .string(text), "programmingLanguage": .string(language)])
    }

    // MARK: of jobs

    static func jobType(_ type: String) -> Facet {
        facet(
            "jobType", "2-0-4/JobTypeJobFacet.json",
            ["processingType": "BATCH", "integration": "FLOWFORGE", "jobType": .string(type)])
    }

    static func sql(_ query: String) -> Facet {
        facet("sql", "1-1-0/SQLJobFacet.json", ["query": .string(query), "dialect": "duckdb"])
    }

    // MARK: of datasets

    static func schema(_ columns: [ColumnSchema]) -> Facet {
        let fields = columns.enumerated().map { number, column -> JSONValue in
            [
                "name": .string(column.name), "type": .string(column.type),
                "ordinal_position": .integer(Int64(number + 1)),
            ]
        }
        return facet("schema", "1-2-0/SchemaDatasetFacet.json", ["fields": .array(fields)])
    }

    static func dataSource(name: String, uri: String) -> Facet {
        facet("dataSource", "1-0-1/DatasourceDatasetFacet.json", ["name": .string(name), "uri": .string(uri)])
    }

    static func version(_ snapshot: ID<Snapshot>) -> Facet {
        facet("version", "1-0-1/DatasetVersionDatasetFacet.json", ["datasetVersion": .string(snapshot.description)])
    }

    static func inputStatistics(rows: Int64, bytes: Int64, files: Int) -> Facet {
        facet(
            "inputStatistics", "1-0-0/InputStatisticsInputDatasetFacet.json",
            ["rowCount": .integer(rows), "size": .integer(bytes), "fileCount": .integer(Int64(files))])
    }

    static func outputStatistics(rows: Int64, bytes: Int64) -> Facet {
        facet(
            "outputStatistics", "1-0-2/OutputStatisticsOutputDatasetFacet.json",
            ["rowCount": .integer(rows), "size": .integer(bytes)])
    }

    static func assertions(_ checks: [CheckResult]) -> Facet? {
        guard !checks.isEmpty else { return nil }
        let items = checks.map { check -> JSONValue in
            var item: [String: JSONValue] = [
                "assertion": .string(check.kind), "success": .bool(check.passed), "name": .string(check.name),
                "severity": check.severity == .warn ? "warn" : "error", "description": .string(check.message),
            ]
            if let column = check.column { item["column"] = .string(column) }
            if let rows = check.failingRows { item["actual"] = .string(String(rows)) }
            return .object(item)
        }
        return facet("dataQualityAssertions", "1-1-0/DataQualityAssertionsDatasetFacet.json", ["assertions": .array(items)])
    }

    /// `named` gives an origin its namespace and name.
    static func columnLineage(
        _ lineage: ColumnLineage, named: (InputFacts.Origin) -> (namespace: String, name: String)
    ) -> Facet {
        func fields(_ influences: Set<ColumnLineage.Influence>) -> JSONValue {
            let bySource = Dictionary(grouping: influences) { [named($0.origin).namespace, named($0.origin).name, $0.column] }
            return .array(
                bySource.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { source, kinds in
                    let transformations = kinds.map(\.kind).sorted { $0.rawValue < $1.rawValue }.map { kind -> JSONValue in
                        ["type": kind.isDirect ? "DIRECT" : "INDIRECT", "subtype": .string(kind.rawValue)]
                    }
                    return [
                        "namespace": .string(source[0]), "name": .string(source[1]), "field": .string(source[2]),
                        "transformations": .array(transformations),
                    ]
                })
        }
        let columns = lineage.columns.map { ($0.name, JSONValue.object(["inputFields": fields($0.influences)])) }
        var members: [String: JSONValue] = ["fields": .object(Dictionary(columns) { first, _ in first })]
        if !lineage.dataset.isEmpty { members["dataset"] = fields(lineage.dataset) }
        return facet("columnLineage", "1-2-0/ColumnLineageDatasetFacet.json", members)
    }
}
