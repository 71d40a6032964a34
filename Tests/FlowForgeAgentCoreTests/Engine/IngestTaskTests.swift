import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@Suite struct IngestTaskTests {
    private let columns = [
        SourceColumn(name: "id", type: "INTEGER", required: true), SourceColumn(name: "name", type: "VARCHAR"),
        SourceColumn(name: "at", type: "TIMESTAMP"),
    ]

    @Test func `rows arrive typed and with their audit columns`() async throws {
        let bench = try EngineBench()
        try bench.write("id,name,at\n1,a,2024-01-01 10:00:00\n2,NA,2024-01-02\n", to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x*.csv", into: "bronze.x", columns: columns, nulls: ["NA"]))
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsRead == 2)
        #expect(run.finished.metrics.rowsWritten == 2)
        #expect(run.finished.metrics.rowsQuarantined == 0)
        #expect(
            run.finished.output?.schema.map(\.type)
                == ["INTEGER", "VARCHAR", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "BIGINT", "VARCHAR"])
        #expect(
            try await bench.read(
                "bronze.x", "SELECT id, name, \"at\", _source_file, _row_number, _run_id = '\(run.work.assignment.run)' ok FROM t"
            )
                == [
                    #"{"id":1,"name":"a","at":"2024-01-01 10:00:00","_source_file":"x.csv","_row_number":1,"ok":true}"#,
                    #"{"id":2,"name":null,"at":"2024-01-02 00:00:00","_source_file":"x.csv","_row_number":2,"ok":true}"#,
                ])
    }

    @Test func `rows that do not parse or convert go to the quarantine with the reason`() async throws {
        let bench = try EngineBench()
        try bench.write(
            "id,name,at\n1,good,2024-01-01\nx,bad number,2024-01-01\n,no id,2024-01-01\n4,too few\n5,too,2024-01-01,many\n"
                + "6,\"bad\"quote,2024-01-01\n7,out of range,300000-01-01\n1.5,rounded,2024-01-01\n9,good,2024-01-01\n",
            to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsWritten == 2)
        #expect(run.finished.metrics.rowsQuarantined == 7)
        #expect(run.finished.metrics.rowsRead == 9)
        #expect(try await bench.read("bronze.x", "SELECT id FROM t") == [#"{"id":1}"#, #"{"id":9}"#])
        let reasons = try await bench.quarantine("bronze.x", "SELECT _reason AS r FROM t ORDER BY 1")
        #expect(
            reasons == [
                #"{"r":"at: not TIMESTAMP"}"#, #"{"r":"id: missing"}"#, #"{"r":"id: not INTEGER"}"#, #"{"r":"id: not INTEGER"}"#,
                #"{"r":"too few fields"}"#, #"{"r":"too many fields"}"#, #"{"r":"unbalanced quote in name"}"#,
            ])
        #expect(
            try await bench.quarantine(
                "bronze.x",
                "SELECT _raw, _line, _row_number AS n FROM t WHERE _reason LIKE 'too few%' OR _reason LIKE 'at:%' ORDER BY 1")
                == [
                    #"{"_raw":"4,too few","_line":5,"n":null}"#,
                    #"{"_raw":"{\"id\":\"7\",\"name\":\"out of range\",\"at\":\"300000-01-01\"}","_line":null,"n":4}"#,
                ])
        #expect(run.report.log.contains("warning: 7 rows went to the quarantine"))
    }

    @Test func `files of different layouts each leave their bad rows`() async throws {
        let bench = try EngineBench()
        try bench.write("id,name,at\n1,a,\nx,b,\n2\n", to: "a.csv", in: bench.raw)
        try bench.write("at,id,name\n,y,c\n,3,d\n,z,e\n,4\n", to: "b.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("*.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.metrics.rowsQuarantined == 5)
        #expect(
            try await bench.quarantine("bronze.x", "SELECT _source_file AS f, count(*) AS n FROM t GROUP BY ALL ORDER BY ALL")
                == [#"{"f":"a.csv","n":2}"#, #"{"f":"b.csv","n":3}"#])
        #expect(
            try await bench.read("bronze.x", "SELECT id, name FROM t ORDER BY id") == [
                #"{"id":1,"name":"a"}"#, #"{"id":3,"name":"d"}"#,
            ])
    }

    @Test func `an appending ingest reads each file once`() async throws {
        let bench = try EngineBench()
        let task = try bench.ingest("*.csv", into: "bronze.x", columns: columns)
        try bench.write("id,name,at\n1,a,\n", to: "a.csv", in: bench.raw)
        try await bench.run(task)
        try bench.write("id,at,name\n2,,b\n", to: "b.csv", in: bench.raw)
        let second = try await bench.run(task)
        #expect(second.finished.metrics.rowsWritten == 1)
        #expect(second.finished.output?.rows == 2)
        let third = try await bench.run(task)
        #expect(third.finished.error == nil)
        #expect(third.finished.metrics.rowsWritten == 0)
        #expect(third.finished.output?.rows == 2)
        try bench.write("id,name,at\n1,changed,\n", to: "a.csv", in: bench.raw)
        let fourth = try await bench.run(task)
        #expect(fourth.finished.metrics.rowsWritten == 1)
        #expect(fourth.report.log.contains("a.csv changed since it was ingested"))
        #expect(
            try await bench.read("bronze.x", "SELECT id, name FROM t ORDER BY ALL") == [
                #"{"id":1,"name":"a"}"#, #"{"id":1,"name":"changed"}"#, #"{"id":2,"name":"b"}"#,
            ])
    }

    @Test(arguments: [
        ("", "is empty"), ("id;name;at\n1;a;\n", "separated by ';'"), ("id\tname\tat\n", "separated by tab"),
        ("id,name\n1,a\n", "lacks the declared column 'at'"), ("ID,name,at\n", "declare 'ID'"),
        ("id,id,name,at\n", "more than once"),
    ])
    func `a file whose header does not fit is named`(text: String, says: String) async throws {
        let bench = try EngineBench()
        try bench.write(text, to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x.csv", into: "bronze.x", columns: columns))
        let error = try #require(run.finished.error)
        #expect(error.code == "source_schema")
        #expect("\(error.message) \(error.hint ?? "")".contains(says), "\(error)")
        #expect(error.message.hasPrefix("x.csv"))
    }

    @Test func `of a file without a header no value is told`() async throws {
        let bench = try EngineBench()
        try bench.write("4711,Jane Doe,jane@example.org\n4712,John,j@example.org\n", to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.error?.hint?.contains("does the file have a header line?") == true)
        #expect(!"\(run.finished.error!)\(run.report.log)".contains("Jane"))
    }

    @Test func `a fraction is no integer, however it is written`() async throws {
        let bench = try EngineBench()
        try bench.write("id,name,at\n15e-1,a,\n1e-7,b,\n2.5,c,\n1e3,d,\n3,e,\n", to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.metrics.rowsQuarantined == 3)
        #expect(try await bench.read("bronze.x", "SELECT id FROM t ORDER BY id") == [#"{"id":3}"#, #"{"id":1000}"#])
    }

    @Test func `a header alone gives a snapshot without rows`() async throws {
        let bench = try EngineBench()
        try bench.write("id,name,at", to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.error == nil)
        #expect(run.finished.output?.rows == 0)
        #expect(try await bench.read("bronze.x", "SELECT count(*) AS n FROM t") == [#"{"n":0}"#])
    }

    @Test func `a byte order mark, CRLF and undeclared columns are taken in their stride`() async throws {
        let bench = try EngineBench()
        try bench.write(
            Data([0xEF, 0xBB, 0xBF]) + Data("extra,at,id,\"name\"\r\nx,,1,\"two\r\nlines\"\r\n".utf8), to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.error == nil)
        #expect(run.report.log.contains("undeclared columns extra"))
        #expect(try await bench.read("bronze.x", "SELECT id, name FROM t") == [#"{"id":1,"name":"two\r\nlines"}"#])
    }

    @Test func `latin-1 bytes and lines of megabytes go to the quarantine`() async throws {
        let bench = try EngineBench()
        try bench.write(
            Data("id,name,at\n1,caf".utf8) + Data([0xE9])
                + Data(",\n2,\(String(repeating: "x", count: 5_000_000)),\n3,ok,\n".utf8),
            to: "x.csv", in: bench.raw)
        let run = try await bench.run(try bench.ingest("x.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsWritten == 1)
        #expect(
            try await bench.quarantine("bronze.x", "SELECT _reason AS r, length(_raw) > 1000 AS long FROM t ORDER BY 1") == [
                #"{"r":"line too long","long":true}"#, #"{"r":"not UTF-8 in name","long":false}"#,
            ])
    }

    @Test func `no file is an error that names the pattern`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(try bench.ingest("none*.csv", into: "bronze.x", columns: columns))
        #expect(run.finished.error?.code == "source_missing")
        #expect(run.finished.error?.message.contains("${variables.raw_dir}/none*.csv") == true)
        #expect(run.finished.error?.message.contains(bench.raw.path()) == false)
    }

    @Test func `JSON lines and Parquet are sources too`() async throws {
        let bench = try EngineBench()
        try bench.write(
            "{\"id\":1,\"name\":\"a, b\",\"at\":\"2024-01-01\"}\n{\"id\":\"x\"}\nnot json\n{\"name\":\"no id\"}\n[1]\n{\"id\":2,\"other\":[1]}\n",
            to: "x.jsonl", in: bench.raw)
        let json = try await bench.run(try bench.ingest("x.jsonl", into: "bronze.j", columns: columns, format: .json))
        #expect(json.finished.error == nil)
        #expect(json.finished.metrics.rowsQuarantined == 4)
        #expect(
            try await bench.read("bronze.j", "SELECT id, name, _row_number AS n FROM t") == [
                #"{"id":1,"name":"a, b","n":1}"#, #"{"id":2,"name":null,"n":6}"#,
            ])
        #expect(
            try await bench.quarantine("bronze.j", "SELECT _reason AS r, _raw FROM t WHERE _reason LIKE 'no JSON%' ORDER BY 2")
                == [
                    #"{"r":"no JSON object","_raw":"[1]"}"#, #"{"r":"no JSON object","_raw":"not json"}"#,
                ])

        _ = try await EngineBench.duckdb(
            "COPY (SELECT i AS id, 'n' || i AS name, 'nonsense' AS \"at\" FROM range(3) t(i)) TO '\(bench.raw.path(percentEncoded: false))/x.parquet'"
        )
        let parquet = try await bench.run(
            try bench.ingest(
                "x.parquet", into: "bronze.p", columns: Array(columns.prefix(2)), format: .parquet))
        #expect(parquet.finished.error == nil)
        #expect(parquet.finished.metrics.rowsWritten == 3)
        let wrong = try await bench.run(try bench.ingest("x.parquet", into: "bronze.q", columns: columns, format: .parquet))
        #expect(wrong.finished.metrics.rowsQuarantined == 3)
    }
}
