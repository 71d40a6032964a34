import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

/// Folders as hostile or careless people leave them.
struct FolderTests {
    /// What is wrong with the sample in a folder that `change` has been at.
    func problems(_ change: (URL) throws -> Void) async throws -> [String] {
        try await withTemporaryFolder { folder in
            try Sample.write(Sample.files(), to: folder)
            try change(folder)
            do {
                _ = try BundleBuilder.build(BundleFolder(folder))
                return []
            } catch {
                return (error as? BundleProblems)?.all.map(\.description) ?? ["\(error)"]
            }
        }
    }

    @Test func `a missing folder or manifest says so`() async throws {
        #expect(throws: BundleProblems.self) { try BundleBuilder.build(BundleFolder(URL(filePath: "/nonexistent"))) }
        let found = try await problems { try FileManager.default.removeItem(at: $0.appending(path: "flowforge.yaml")) }
        #expect(found == ["flowforge.yaml: is missing (a bundle is a folder with a flowforge.yaml; see docs/bundle.md)"])
    }

    @Test func `symbolic links are refused, wherever they lead`() async throws {
        for (name, target) in [
            ("sql/link.sql", "/etc/passwd"), ("sql/inside.sql", "orders.sql"), ("folder", "sql"), ("sql/gone", "nowhere"),
        ] {
            let found = try await problems {
                try FileManager.default.createSymbolicLink(atPath: $0.appending(path: name).path, withDestinationPath: target)
            }
            #expect(found.contains { $0.hasPrefix("\(name): is a symbolic link") }, "\(name): \(found)")
        }
        let manifest = try await problems { folder in
            let file = folder.appending(path: "flowforge.yaml")
            try FileManager.default.moveItem(at: file, to: folder.appending(path: ".elsewhere.yaml"))
            try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: ".elsewhere.yaml")
        }
        #expect(manifest.first?.contains("symbolic link") == true)
    }

    @Test func `pipes are refused without waiting for them`() async throws {
        let found = try await problems { #expect(mkfifo($0.appending(path: "pipe").path, 0o600) == 0) }
        #expect(found.first?.contains("neither a file nor a folder") == true)
    }

    @Test func `names that are not the same everywhere are refused`() async throws {
        for name in ["with space.sql", "quote'.sql", "semi;colon", "ünïcode", "back\\slash", "dot."] {
            let found = try await problems { try Data("x".utf8).write(to: $0.appending(path: name)) }
            #expect(found.contains { $0.contains("has a path that") }, "\(name): \(found)")
        }
        let clash = try await problems { folder in
            try Data("x".utf8).write(to: folder.appending(path: "a.txt"))
            try Data("x".utf8).write(to: folder.appending(path: "A.txt"))
        }
        // On a file system that ignores case there is only one file, which nobody uses.
        #expect(!clash.isEmpty)
    }

    @Test func `large files are refused`() async throws {
        let found = try await problems { try Data(count: 16 << 20 + 1).write(to: $0.appending(path: "data.parquet")) }
        #expect(found.first?.contains("larger than 16 MiB") == true)
    }

    @Test func `unused files are reported unless included or ignored`() async throws {
        let unused = try await problems { try Data("x".utf8).write(to: $0.appending(path: "notes.txt")) }
        #expect(unused.first?.hasPrefix("notes.txt: no task uses this file") == true)
        let ignored = try await problems { folder in
            try Data("x".utf8).write(to: folder.appending(path: "notes.txt"))
            try Data("# mine\n*.txt\n".utf8).write(to: folder.appending(path: ".flowforgeignore"))
        }
        #expect(ignored == [])
        let included = try await problems { folder in
            try Data("x".utf8).write(to: folder.appending(path: "notes.txt"))
            try Data(Sample.manifest("flows:", "include: [notes.txt]\nflows:").utf8).write(
                to: folder.appending(path: "flowforge.yaml"))
        }
        #expect(included == [])
    }

    @Test func `SQL that is no text, no SELECT or several statements is refused with its place`() async throws {
        func sql(_ text: String) -> [String] {
            Sample.problems([Sample.file("flowforge.yaml", Sample.manifest), Sample.file("sql/orders.sql", text)])
        }
        #expect(sql("-- a; b\nSELECT ';' AS x, \"a;b\" FROM t /* ; */;\n -- end\n") == [])
        #expect(sql("WITH x AS (SELECT 1) FROM x") == [])
        #expect(sql("(SELECT 1)") == [])
        #expect(sql("SELECT $$ a; b ' $$ AS x, E'it\\'s; x' AS y") == [])
        #expect(
            sql("SELECT 1;\nDROP TABLE x") == [
                "sql/orders.sql:1:9: a second statement follows this ';' (a task is one SELECT; use CTEs (WITH …) or another task)"
            ])
        #expect(sql("\n  COPY x TO 'y'").first?.hasPrefix("sql/orders.sql:2:3: the statement starts with 'COPY'") == true)
        #expect(sql("SELECT 'open").first?.hasPrefix("sql/orders.sql:1:8: the string that starts here has no end") == true)
        #expect(sql("-- nothing\n").first?.contains("there is no statement") == true)
        #expect(sql("SELECT getvariable('yaer')").first?.contains("did you mean 'year'?") == true)
        #expect(sql("SELECT getvariable('run_time'), getvariable( 'raw_dir')") == [])
        let bytes = [
            Sample.file("flowforge.yaml", Sample.manifest), BundleFile(path: "sql/orders.sql", contents: Data([0x53, 0xFF])),
        ]
        #expect(Sample.problems(bytes).first?.contains("not valid UTF-8") == true)
    }

    @Test func `programs must be there and executable, and their arguments must refer to something`() {
        func problems(_ command: String, isExecutable: Bool = true) -> [String] {
            Sample.problems(
                [
                    Sample.file(
                        "flowforge.yaml",
                        Sample.manifest + "      fetch: {layer: bronze, command: \(command), output: bronze.raw}\n"),
                    Sample.file("sql/orders.sql", Sample.sql),
                    Sample.file("bin/fetch.sh", "#!/bin/sh\n", isExecutable: isExecutable),
                ])
        }
        #expect(problems("[bin/fetch.sh, --year, \"${parameters.year}\", \"${variables.raw_dir}/x\"]") == [])
        #expect(problems("[bin/fetch.sh]", isExecutable: false).first?.contains("chmod +x bin/fetch.sh") == true)
        #expect(problems("[bin/fetch.sh, \"${parameters.yaer}\"]").first?.contains("did you mean 'year'?") == true)
        #expect(problems("[bin/fetch.sh, \"${secrets.x}\"]").first?.contains("is not understood") == true)
        #expect(problems("[bin/fetch.sh, \"${parameters.year\"]").first?.contains("has no '}'") == true)
        for path in ["/bin/sh", "../fetch.sh", "bin/../../x", "bin//fetch.sh"] {
            #expect(problems("[\(path)]").contains { $0.contains("the path '\(path)'") }, "\(path)")
        }
    }

    @Test func `a source must lie where the environment says`() {
        func problems(_ path: String) -> [String] { Sample.problems(Sample.manifest("${variables.raw_dir}/orders*.csv", path)) }
        for path in [
            "/etc/passwd", "orders.csv", "${parameters.year}/x.csv", "x${variables.raw_dir}", "${variables.raw_dir}/../x",
            "${variables.rawdir}/x", "~/x",
        ] {
            #expect(!problems(path).isEmpty, "\(path)")
        }
        #expect(problems("${variables.raw_dir}/${parameters.year}/*.csv") == [])
    }
}

struct TemplateTests {
    @Test func `values are put in, and in paths they cannot lead elsewhere`() throws {
        let template = try Template("${variables.raw}/${parameters.year}/x-${parameters.day}.csv")
        #expect(
            template.resolve(variables: ["raw": "/srv"], parameters: ["year": 2013, "day": "a"], asPath: true)
                == "/srv/2013/x-a.csv")
        for value: String in ["..", "a/b", "*", "a?", "[a]", "\n", "{a,b}"] {
            #expect(
                template.resolve(variables: ["raw": "/srv"], parameters: ["year": .string(value), "day": "a"], asPath: true)
                    == nil)
        }
        #expect(template.resolve(variables: [:], parameters: ["year": 1, "day": 1]) == nil)
    }
}
