import Foundation
import Glibc
import Testing

/// The shell steps of Examples/ci, as a CI job runs them, against a control plane, an agent and the comment API of each
/// platform: a change goes from a pull request to qa.
@Suite(.timeLimit(.minutes(5))) struct GitOpsTests {
    private static let steps = Checkout.root.appending(path: "Examples/ci/steps")

    /// A job's place and its variables.
    private struct Job: Sendable {
        let it: Installation
        let repository: URL
        var variables: [String: String]

        func run(_ step: String, _ arguments: String..., adding more: [String: String] = [:]) async throws -> CommandResult {
            var environment = variables.merging(more) { $1 }
            environment["PATH"] = "\(Checkout.programs.path):/usr/bin:/bin"
            environment["FLOWFORGE_DUCKDB"] = Checkout.duckdb
            // No context is there to fall back on.
            environment["XDG_CONFIG_HOME"] = repository.appending(path: "nowhere").path
            environment["HOME"] = repository.appending(path: "nowhere").path
            return try await execute(
                "bash", [steps.appending(path: step).path] + arguments, environment: environment, in: repository)
        }

        @discardableResult
        func must(_ step: String, _ arguments: String..., adding more: [String: String] = [:]) async throws -> CommandResult {
            var environment = variables.merging(more) { $1 }
            environment["PATH"] = "\(Checkout.programs.path):/usr/bin:/bin"
            environment["FLOWFORGE_DUCKDB"] = Checkout.duckdb
            environment["XDG_CONFIG_HOME"] = repository.appending(path: "nowhere").path
            environment["HOME"] = repository.appending(path: "nowhere").path
            let result = try await execute(
                "bash", [steps.appending(path: step).path] + arguments, environment: environment, in: repository)
            try #require(result.status == 0, "\(step): \(result)")
            return result
        }

        func git(_ arguments: String...) async throws {
            let result = try await execute(
                "git", ["-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"] + arguments,
                environment: ["GIT_CONFIG_GLOBAL": "/dev/null"], in: repository)
            try #require(result.status == 0, "\(result)")
        }

        func write(version: String, query: String) throws {
            let manifest = """
                # The version below is the bundle's.
                bundle: {name: shop, version: \(version), description: Sums}
                flows:
                  build:
                    tasks:
                      raw: {layer: bronze, sql: raw.sql, output: bronze.raw, load: replace, checks: [{not_null: id}]}
                      sums: {layer: gold, sql: sums.sql, inputs: [bronze.raw], output: gold.sums, load: replace}
                """
            for (name, text) in [
                ("flowforge.yaml", manifest), ("raw.sql", query), ("sums.sql", "SELECT sum(id) AS total FROM bronze.raw"),
            ] {
                try text.write(to: repository.appending(path: name), atomically: true, encoding: .utf8)
            }
        }

        func text(_ name: String) throws -> String {
            try String(contentsOf: repository.appending(path: ".flowforge-ci/\(name)"), encoding: .utf8)
        }
    }

    private static let environments = """
        environment: {name: qa, tier: qa}
        pool: local
        upstream:
          - {environment: dev}
        protection:
          requires_plan: true
          gates:
            second-pair-of-eyes:
              approval: {count: 1, from: [bob]}
            green:
              quality: {runs: 1}
        """

    private static func principal(_ name: String, _ role: String, in it: Installation) async throws -> String {
        let made = try await it.mustFlowforge("principal", "create", name, "--role", role, "--json")
        let fields = try JSONSerialization.jsonObject(with: Data(made.output.utf8)) as? [String: Any]
        return try #require(fields?["token"] as? String)
    }

    @Test func `a change goes from a pull request to qa, with its plan in a comment and an approval of another`() async throws {
        try await Installation.up { it in
            let repository = it.folder.appending(path: "repository")
            try FileManager.default.createDirectory(at: repository, withIntermediateDirectories: true)
            let port = it.folder.appending(path: "platform.port")
            let key = it.folder.appending(path: "ci-key").path
            try await it.mustFlowforge("key", "generate", "-o", key)
            try await it.mustFlowforge("env", "create", "dev", "--pool", "local")
            let file = it.folder.appending(path: "qa.yaml")
            try Self.environments.write(to: file, atomically: true, encoding: .utf8)
            try await it.mustFlowforge("env", "apply", "-f", file.path)
            let ci = try await Self.principal("ci", "operator", in: it)
            let bob = try await Self.principal("bob", "operator", in: it)
            let job = Job(
                it: it, repository: repository,
                variables: [
                    "FLOWFORGE_URL": "https://127.0.0.1:\(it.operatorPort)",
                    "FLOWFORGE_CA_FILE": it.control.appending(path: "ca.pem").path,
                    "FLOWFORGE_CI_TOKEN": ci, "FLOWFORGE_SIGNING_KEY": try String(contentsOfFile: key, encoding: .utf8),
                    "FLOWFORGE_BUILDER_ID": "https://ci.example.com/shop", "FLOWFORGE_JOB": "job-1",
                ])
            try job.write(version: "1.0.0", query: "SELECT 1 AS id")
            try await job.git("init", "-q", "-b", "main")
            try await job.git("add", ".")
            try await job.git("commit", "-q", "-m", "shop")

            try await it.withAgent {
                try await withPlatform(port) { platform in
                    // main, for the first time: there is nothing to compare with.
                    try await job.must("lint.sh")
                    try await job.must("push.sh")
                    try await job.must("test.sh")
                    async let promoted = job.must("promote.sh", "dev", "qa")
                    try await approve(as: bob, job, it)
                    _ = try await promoted
                    let shown = try await it.mustFlowforge("bundle", "show", "shop@1.0.0", "--json")
                    #expect(shown.output.contains(#""predicateType":"https://slsa.dev/provenance/v1""#), "it is signed: \(shown)")
                    let again = try await job.must("promote.sh", "dev", "qa")
                    #expect(again.errors.contains("qa has it already"), "\(again)")

                    // A pull request that breaks who reads gold.sums, and its next commit.
                    var request = job
                    request.variables["FLOWFORGE_PRERELEASE"] = "pr42.7"
                    request.variables["FLOWFORGE_JOB"] = "job-2"
                    try job.write(version: "1.1.0", query: "SELECT 1 AS id, 2 AS more")
                    try await job.git("commit", "-q", "-am", "more")
                    try await request.must("lint.sh")
                    try await request.must("push.sh")
                    #expect(try request.text("bundle.json").contains("1.1.0-pr42.7"))
                    #expect(
                        try String(contentsOf: repository.appending(path: "flowforge.yaml"), encoding: .utf8).contains(
                            "version: 1.1.0,"))
                    try await request.must("test.sh")
                    try await request.must("plan.sh")
                    #expect(try request.text("plan-qa.status") == "changes\n")
                    #expect(
                        try request.text("comment.md").hasPrefix(
                            "<!-- flowforge-plan -->\n### Plan for `qa`: `shop` 1.0.0 → 1.1.0-pr42.7"))
                    try await request.must("verdict.sh")
                    for (script, variables) in Self.platforms(platform) { try await request.must(script, adding: variables) }
                    request.variables["FLOWFORGE_PRERELEASE"] = "pr42.8"
                    try job.write(version: "1.1.0", query: "SELECT 1 AS id, 3 AS other")
                    try await job.git("commit", "-q", "-am", "other")
                    for step in ["push.sh", "plan.sh"] { try await request.must(step) }
                    for (script, variables) in Self.platforms(platform) { try await request.must(script, adding: variables) }
                    try await Self.checkComments(platform)

                    // Merged: the same version again would be refused, were its content another.
                    try await job.must("push.sh")
                    try await job.must("test.sh")
                    let waiting = try await job.run("promote.sh", "dev", "qa", adding: ["FLOWFORGE_WAIT_MINUTES": "0"])
                    #expect(waiting.status == 75, "\(waiting)")
                    let own = try await execute(
                        Checkout.programs.appending(path: "flowforge").path, ["plan", "approve", try Self.plan(job)],
                        environment: job.variables.merging(["FLOWFORGE_TOKEN": ci]) { $1 })
                    #expect(own.status == 0 && own.output.contains("pending"), "the CI's own yes does not count: \(own)")
                    async let done = job.must("promote.sh", "dev", "qa")
                    try await approve(as: bob, job, it)
                    _ = try await done
                    let qa = try await it.mustFlowforge("env", "show", "qa", "--json")
                    #expect(qa.output.contains(#""version":"1.1.0""#), "\(qa)")
                }
                try await Self.checkTokens(it, ci: ci)
            }
        }
    }

    @Test func `steps end with what went wrong`() async throws {
        try await Installation.up { it in
            let repository = it.folder.appending(path: "repository")
            try FileManager.default.createDirectory(at: repository, withIntermediateDirectories: true)
            try await it.mustFlowforge("env", "create", "dev", "--pool", "local")
            let ci = try await Self.principal("ci", "operator", in: it)
            let job = Job(
                it: it, repository: repository,
                variables: [
                    "FLOWFORGE_URL": "https://127.0.0.1:\(it.operatorPort)",
                    "FLOWFORGE_CA_FILE": it.control.appending(path: "ca.pem").path,
                    "FLOWFORGE_CI_TOKEN": ci, "FLOWFORGE_PLAN_ENVS": "dev",
                ])
            let nothing = try await job.run("plan.sh")
            #expect(nothing.status == 1 && nothing.errors.contains("nothing was pushed yet"), "\(nothing)")
            try job.write(version: "1.0.0", query: "SELECT 1 AS id")
            for bad in ["a b", "x;id", "$(id)", "..", "x/y"] {
                let refused = try await job.run("push.sh", adding: ["FLOWFORGE_PRERELEASE": bad])
                #expect(refused.status == 1 && refused.errors.contains("is no pre-release"), "\(bad): \(refused)")
            }
            try await job.must("push.sh")
            let nowhere = try await job.run("plan.sh", adding: ["FLOWFORGE_PLAN_ENVS": "nowhere"])
            #expect(nowhere.status != 0, "\(nowhere)")
            try job.write(version: "1.0.0", query: "SELECT 2 AS id")
            let taken = try await job.run("push.sh")
            #expect(taken.status == 5, "a version is immutable: \(taken)")
            let wrong = try await job.run("push.sh", adding: ["FLOWFORGE_CI_TOKEN": "ff_wrong"])
            #expect(wrong.status == 4, "\(wrong)")
            try "denied\n".write(
                to: repository.appending(path: ".flowforge-ci/plan-prod.status"), atomically: true, encoding: .utf8)
            #expect(try await job.run("verdict.sh").status == 4)
            try "drift\n".write(
                to: repository.appending(path: ".flowforge-ci/plan-prod.status"), atomically: true, encoding: .utf8)
            #expect(try await job.run("verdict.sh").status == 0)
            #expect(try await job.run("verdict.sh", adding: ["FLOWFORGE_FAIL_ON_DRIFT": "1"]).status == 3)
            try "SELECT".write(to: repository.appending(path: "raw.sql"), atomically: true, encoding: .utf8)
            try "bundle: 7".write(to: repository.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
            #expect(try await job.run("lint.sh").status == 1)
        }
    }

    /// Waits until the promotion's plan is there, and says yes to it.
    private func approve(as token: String, _ job: Job, _ it: Installation) async throws {
        let digest = try await until("a promotion waits for its gates", within: .seconds(60), every: .milliseconds(100)) {
            let listed = try await it.mustFlowforge("promotion", "list", "--env", "qa", "--json")
            guard let page = try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [String: Any],
                let first = (page["items"] as? [[String: Any]])?.first, first["state"] as? String == "waiting"
            else { return nil as String? }
            return first["plan"] as? String
        }
        let said = try await execute(
            Checkout.programs.appending(path: "flowforge").path, ["plan", "approve", digest, "--reason", "looked at it"],
            environment: job.variables.merging(["FLOWFORGE_TOKEN": token]) { $1 })
        try #require(said.status == 0, "\(said)")
    }

    private static func plan(_ job: Job) throws -> String {
        let fields = try JSONSerialization.jsonObject(with: Data(try job.text("promotion.json").utf8)) as? [String: Any]
        return try #require(fields?["plan"] as? String)
    }

    private static func platforms(_ url: String) -> [(String, [String: String])] {
        [
            (
                "comment-github.sh",
                ["GITHUB_API_URL": url, "GITHUB_REPOSITORY": "acme/shop", "GITHUB_TOKEN": "gh-token", "PULL_REQUEST": "42"]
            ),
            (
                "comment-gitlab.sh",
                [
                    "CI_API_V4_URL": "\(url)/api/v4", "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "42",
                    "GITLAB_TOKEN": "gl-token",
                ]
            ),
            (
                "comment-azure.sh",
                [
                    "SYSTEM_COLLECTIONURI": "\(url)/acme/", "SYSTEM_TEAMPROJECT": "My Shop", "BUILD_REPOSITORY_ID": "repo-1",
                    "SYSTEM_PULLREQUEST_PULLREQUESTID": "42", "SYSTEM_ACCESSTOKEN": "az-token",
                ]
            ),
        ]
    }

    /// One comment on each, of the last commit; what others wrote is as it was.
    private static func checkComments(_ url: String) async throws {
        let told = try await execute("curl", ["-fsS", "\(url)/state"])
        let state = try #require(try JSONSerialization.jsonObject(with: Data(told.output.utf8)) as? [String: Any])
        let comments = try #require(state["comments"] as? [String: [[String: Any]]])
        func ours(_ texts: [String]) -> [String] { texts.filter { $0.contains("### Plan for") } }
        let texts = [
            comments["github"]!.compactMap { $0["body"] as? String }, comments["gitlab"]!.compactMap { $0["body"] as? String },
            comments["azure"]!.compactMap { ($0["comments"] as? [[String: Any]])?.first?["content"] as? String },
        ]
        for texts in texts {
            let plans = ours(texts)
            #expect(plans.count == 1 && plans.allSatisfy { $0.contains("1.1.0-pr42.8") && $0.contains("other") }, "\(plans)")
        }
        for texts in texts { #expect(texts[6] == "<!-- flowforge-plan -->\nthis is not the plan") }
        let writes = try #require(state["writes"] as? [String])
        #expect(writes.count == 6 && writes.filter { $0.hasPrefix("POST") }.count == 3, "\(writes)")
    }

    /// Every step worked with a token of its own, and gave it back.
    private static func checkTokens(_ it: Installation, ci: String) async throws {
        let listed = try await it.mustFlowforge("token", "list", "--everybody", "--all", "--json")
        let page = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [String: Any])
        let tokens = try #require(page["items"] as? [[String: Any]])
        #expect(tokens.count >= 10 && tokens.allSatisfy { $0["revoked"] as? Bool == true }, "\(tokens)")
        #expect(tokens.allSatisfy { $0["environments"] != nil && $0["allow"] != nil && $0["principal"] as? String == "ci" })
        let audit = try await it.mustFlowforge("audit", "list", "--action", "promotion.request", "--json")
        #expect(audit.output.contains(#""actor":"principal:ci""#) && audit.output.contains(#""token":"tok_"#), "\(audit)")
    }

    private func withPlatform(_ file: URL, _ body: (String) async throws -> Void) async throws {
        let log = file.deletingLastPathComponent().appending(path: "platform.log").path
        let script = Checkout.root.appending(path: "Tests/Suites/11-gitops/platform.py").path
        var pid: pid_t = 0
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let arguments: [String] = [Checkout.python, script, file.path]
        let words = arguments.map { strdup($0) }
        defer { for word in words { free(word) } }
        try #require(posix_spawn(&pid, Checkout.python, &actions, nil, words + [nil], environ) == 0)
        defer {
            // It has inherited a mask of signals that lets no other through.
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        let port = try await until("the platform listens") { () -> Int? in
            (try? String(contentsOf: file, encoding: .utf8)).flatMap { Int($0) }
        }
        try await body("http://127.0.0.1:\(port)")
    }
}
