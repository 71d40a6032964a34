import Foundation
import Testing

/// The templates of Examples/ci against the schemas and linters that others publish.
@Suite(.timeLimit(.minutes(2))) struct TemplateTests {
    private static let ci = Checkout.root.appending(path: "Examples/ci")
    private static let tools = URL(filePath: Checkout.python).deletingLastPathComponent()

    private static func run(_ tool: String, _ arguments: String...) async throws -> CommandResult {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return try await execute(
            tools.appending(path: tool).path, arguments, environment: ["PATH": "\(tools.path):\(path)", "NO_COLOR": "1"],
            in: Checkout.root)
    }

    @Test(arguments: [
        ["vendor.github-workflows", "github/flowforge.yml"],
        ["vendor.gitlab-ci", "gitlab/.gitlab-ci.yml", "--data-transform", "gitlab-ci"],
        [
            "vendor.azure-pipelines", "azure/azure-pipelines.yml", "--data-transform", "azure-pipelines", "--regex-variant",
            "python",
        ],
    ]) func `a template is valid by its platform's schema, and a broken one is not`(_ what: [String]) async throws {
        let file = Self.ci.appending(path: what[1])
        func check(_ path: String) async throws -> CommandResult {
            try await execute(
                Self.tools.appending(path: "check-jsonschema").path,
                ["--builtin-schema", what[0]] + what.dropFirst(2) + [path], in: Checkout.root)
        }
        let good = try await check(file.path)
        #expect(good.status == 0, "\(good)")
        try await withTemporaryFolder { folder in
            let broken = folder.appending(path: file.lastPathComponent)
            let text = try String(contentsOf: file, encoding: .utf8)
            try (text + "\nstages: {not: [a, list]}\njobs: 7\n").write(to: broken, atomically: true, encoding: .utf8)
            #expect(try await check(broken.path).status != 0)
        }
    }

    @Test func `the workflow is clean by actionlint and zizmor`() async throws {
        let file = Self.ci.appending(path: "github/flowforge.yml").path
        let lint = try await Self.run("actionlint", file)
        #expect(lint.status == 0 && lint.output.isEmpty, "\(lint)")
        let audit = try await Self.run("zizmor", "--offline", "--no-progress", file)
        #expect(audit.status == 0, "\(audit)")
    }

    @Test func `the steps are clean by shellcheck, and can be run`() async throws {
        let folder = Self.ci.appending(path: "steps")
        let steps = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sh") }.sorted()
        #expect(steps.count > 8)
        let checked = try await execute(
            Self.tools.appending(path: "shellcheck").path,
            ["-x", "-P", folder.path] + steps.map { folder.appending(path: $0).path }, in: Checkout.root)
        #expect(checked.status == 0, "\(checked)")
        for step in steps where step != "common.sh" {
            #expect(FileManager.default.isExecutableFile(atPath: folder.appending(path: step).path), "\(step)")
        }
    }

    @Test func `every step that a template runs is there, and every step is run by one`() throws {
        let texts = try ["github/flowforge.yml", "gitlab/.gitlab-ci.yml", "azure/azure-pipelines.yml"].map {
            try String(contentsOf: Self.ci.appending(path: $0), encoding: .utf8)
        }
        let named = Set(texts.flatMap { $0.matches(of: /ci\/steps\/([a-z-]+\.sh)/).map { String($0.1) } })
        let there = Set(try FileManager.default.contentsOfDirectory(atPath: Self.ci.appending(path: "steps").path))
        #expect(named == there.subtracting(["common.sh"]))
    }
}
