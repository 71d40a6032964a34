import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import NIOHTTP1
import Testing

/// `flowforge plan` and `flowforge apply`, whose exit codes pipelines branch on.
@Suite struct PlanProgramTests {
    private static let shop = BundleReference(
        name: "shop", version: "1.2.0", digest: "sha256:" + String(repeating: "b", count: 64))

    private static func view(
        changes: Bool, drift: Bool = false, standing: GateStanding = .open
    ) throws -> OperatorAPI.PlanView {
        var content = PlanContent(cost: PlanCost(seconds: 12.5))
        if changes {
            content.impact = .breaking
            content.changes = [
                PlanChange(subject: "column", name: "gold.sums.net", action: "removed", impact: .breaking)
            ]
        }
        if drift { content.drift = [DriftFinding(kind: .schedule, name: "build.nightly", message: "it is paused")] }
        let plan = Plan(
            environment: "prod", bundle: shop, from: shop, release: nil, baseSerial: 3, mode: .physical, source: nil,
            expiresAt: Samples.now + 86_400, content: content)
        let json = try JSONValue(encoding: plan)
        return OperatorAPI.PlanView(
            digest: ContentDigest.of(try WireCoding.encode(json)), plan: json, isEmpty: plan.isEmpty,
            hasChanges: plan.hasChanges, hasDrift: drift, standing: standing.rawValue, verdicts: [], approvals: [],
            createdAt: Samples.now, createdBy: "principal:ada", expiresAt: plan.expiresAt, isCurrent: true)
    }

    private static func promotion(_ state: PromotionState, of plan: OperatorAPI.PlanView) -> OperatorAPI.PromotionView {
        OperatorAPI.PromotionView(
            id: .make(at: Samples.now), kind: "apply", environment: "prod", source: nil, bundle: shop, plan: plan.digest,
            mode: "physical", state: state.rawValue, isFinal: state.isFinal, steps: ["hold", "switch"], done: [],
            message: "as it is", reason: "", requestedBy: "principal:ada", requestedAt: Samples.now, finishedAt: nil,
            release: nil, runs: [])
    }

    // MARK: plan

    @Test(
        arguments: [
            (false, false, GateStanding.open, 0), (false, false, .pending, 0), (false, false, .denied, 0),
            (true, false, .open, 2),
            (true, false, .pending, 2), (true, true, .open, 2), (false, true, .open, 3), (false, true, .denied, 3),
            (true, false, .denied, 4), (true, true, .denied, 4),
        ] as [(Bool, Bool, GateStanding, Int)]) func `a plan ends with what it is`(
            _ changes: Bool, _ drift: Bool, _ standing: GateStanding, _ exit: Int
        ) async throws
    {
        let view = try Self.view(changes: changes, drift: drift, standing: standing)
        try await ScriptedServer.with({ _ in .created(view) }) { server in
            try await Command.with(server) { command in
                let page = try await command.run("plan", "--env", "prod", "--bundle", "shop@1.2.0")
                #expect(page.status == exit && page.errors.isEmpty && !page.output.isEmpty, "\(page)")
                let made = try await command.run("plan", "make", "--env", "prod", "--json")
                #expect(made.status == exit && made.errors.isEmpty, "\(made)")
                let decoded = try WireCoding.decode(OperatorAPI.PlanView.self, from: Data(made.output.utf8))
                #expect(decoded.digest == view.digest && decoded.plan == view.plan)
                let markdown = try await command.run("plan", "--env", "prod", "--markdown")
                #expect(markdown.status == exit && markdown.output.hasPrefix("### Plan for `prod`"), "\(markdown)")
                // Looking at it is no planning.
                let shown = try await command.run("plan", "show", view.digest)
                #expect(shown.status == 0, "\(shown)")
            }
            let paths = Set(server.requests.map { "\($0.method) \($0.path)" })
            let plans = "/api/v1/plans/\(view.digest.replacing(":", with: "%3A"))"
            #expect(paths == ["POST /api/v1/environments/prod/plans", "GET \(plans)"])
        }
    }

    @Test(arguments: [
        (HTTPResponseStatus.badRequest, ErrorCode.invalidRequest, 2), (.notFound, .notFound, 3),
        (.unauthorized, .unauthenticated, 4), (.forbidden, .forbidden, 4), (.conflict, .conflict, 5),
        (.internalServerError, .internalError, 6), (.unprocessableEntity, .invalidBundle, 1),
    ]) func `every refusal of a plan is 1, whatever it is to other commands`(
        _ status: HTTPResponseStatus, _ code: ErrorCode, _ usual: Int
    ) async throws {
        let refusal = APIError(code, "it is so", hint: "do this")
        try await ScriptedServer.with({ _ in .refused(status, refusal) }) { server in
            try await Command.with(server) { command in
                let plain = try await command.run("plan", "--env", "prod", "--bundle", "shop@1.2.0")
                #expect(plain.status == 1 && plain.output.isEmpty, "\(plain)")
                #expect(plain.errors == "error: it is so\nhint:  do this\n")
                let json = try await command.run("plan", "make", "--env", "prod", "--json")
                #expect(json.status == 1 && json.output.isEmpty, "\(json)")
                #expect(try WireCoding.decode(ErrorBody.self, from: Data(json.errors.utf8)).error == refusal)
                for other in ["show", "approve"] {
                    let result = try await command.run("plan", other, "5b21c0de9a01")
                    #expect(result.status == usual, "plan \(other): \(result)")
                }
            }
        }
    }

    @Test func `wrong usage of a plan is 1 too, that of its subcommands is 2`() async throws {
        try await Command.with { command in
            var command = command
            command.environment = ["FLOWFORGE_URL": "https://127.0.0.1:1", "FLOWFORGE_TOKEN": "t"]
            for (arguments, exit) in [
                ("plan", 1), ("plan --env", 1), ("plan --env prod --bogus", 1), ("plan --env prod --timeout never", 1),
                ("plan make", 1), ("plan make --env prod more", 1), ("--json plan --env prod", 1), ("plan show", 2),
                ("plan approve", 2), ("plan reject 5b21c0de9a01", 2), ("plan override 5b21c0de9a01", 2), ("apply", 2),
                ("plan --env prod", 1), ("plan show 5b21c0de9a01", 6), ("plan --help", 0), ("plan show --help", 0),
            ] {
                let result = try await command.shell("\"$0\" \(arguments)")
                #expect(result.status == exit && result.output.isEmpty == (exit != 0), "\(arguments): \(result)")
            }
        }
    }

    @Test func `a plan that cannot be written is an error, and not shown`() async throws {
        let view = try Self.view(changes: true)
        try await ScriptedServer.with({ _ in .created(view) }) { server in
            try await Command.with(server) { command in
                let result = try await command.run("plan", "--env", "prod", "--out", "/no/such/folder/plan.json")
                #expect(result.status == 1 && result.output.isEmpty && result.errors.contains("cannot be written"), "\(result)")
            }
        }
    }

    // MARK: apply

    /// Plans, knows that plan and no other, and takes what is to be applied.
    private func planning<Result>(
        _ state: PromotionState, _ body: (ScriptedServer, Command, URL) async throws -> Result
    ) async throws -> Result {
        let view = try Self.view(changes: true)
        let promotion = Self.promotion(state, of: view)
        return try await ScriptedServer.with({ request in
            switch (request.method, request.path) {
            case (.POST, "/api/v1/environments/prod/plans"): return .created(view)
            case (.POST, "/api/v1/promotions"):
                let asked = try? WireCoding.decode(OperatorAPI.RequestPromotion.self, from: request.body)
                guard asked?.kind == "apply", asked?.plan == view.digest else {
                    return .refused(.notFound, APIError(.notFound, "there is no plan as it is given"))
                }
                return .created(promotion)
            case (.GET, "/api/v1/promotions/\(promotion.id)"): return .ok(promotion)
            default: return .notFound
            }
        }) { server in
            try await Command.with(server) { command in
                let file = command.folder.appending(path: "plan.json")
                let planned = try await command.run("plan", "--env", "prod", "--out", file.path)
                #expect(planned.status == 2, "\(planned)")
                #expect(try Data(contentsOf: file) == WireCoding.encode(view.plan), "the bytes that the digest names")
                return try await body(server, command, file)
            }
        }
    }

    @Test func `a plan's file is applied as it was written, however it is laid out`() async throws {
        try await planning(.waiting) { _, command, file in
            let applied = try await command.run("apply", file.path, "--no-wait", "--json")
            #expect(applied.status == 0, "\(applied)")
            let view = try WireCoding.decode(OperatorAPI.PromotionView.self, from: Data(applied.output.utf8))
            #expect(view.state == "waiting" && view.kind == "apply")
            #expect(try await command.run("apply", view.plan, "--no-wait").status == 0, "by its digest")
            let plan = try WireCoding.decode(JSONValue.self, from: Data(contentsOf: file))
            try WireCoding.encoder(pretty: true).encode(plan).write(to: file)
            #expect(try await command.run("apply", file.path, "--no-wait").status == 0, "the same content, on more lines")
        }
    }

    @Test(arguments: [
        (#""baseSerial":3"#, #""baseSerial":4"#), (#""environment":"prod""#, #""environment":"qa""#),
        (#""impact":"breaking""#, #""impact":"metadata""#), (#""seconds":12.5"#, #""seconds":12.6"#),
        (#""format":1"#, #""format":1,"later":true"#),
    ]) func `a plan's file that somebody has edited is refused`(_ old: String, _ new: String) async throws {
        try await planning(.waiting) { server, command, file in
            let text = try String(contentsOf: file, encoding: .utf8)
            let edited = text.replacing(old, with: new)
            try #require(edited != text, "the plan has no \(old)")
            try Data(edited.utf8).write(to: file)
            let result = try await command.run("apply", file.path, "--no-wait")
            #expect(result.status == 3 && result.output.isEmpty, "\(result)")
            #expect(result.errors.contains("there is no plan as it is given"), "\(result)")
            let asked = try WireCoding.decode(
                OperatorAPI.RequestPromotion.self, from: try #require(server.requests.last).body)
            let content = try WireCoding.decode(JSONValue.self, from: Data(edited.utf8))
            #expect(asked.plan == ContentDigest.of(try WireCoding.encode(content)), "all of the file counts")
        }
    }

    @Test func `a file that is no plan is not asked about`() async throws {
        try await planning(.waiting) { server, command, file in
            let asked = server.requests.count
            for text in ["", "[]", "\"sha256:00\"", "{", "plan"] {
                try Data(text.utf8).write(to: file)
                let result = try await command.run("apply", file.path, "--no-wait")
                #expect(result.status == 2 && result.errors.contains("is no plan"), "'\(text)': \(result)")
            }
            #expect(server.requests.count == asked)
        }
    }

    @Test(arguments: [
        (PromotionState.succeeded, 0), (.undone, 1), (.refused, 1), (.expired, 1), (.cancelled, 7),
    ]) func `applying ends as the change does`(_ state: PromotionState, _ exit: Int) async throws {
        try await planning(state) { _, command, file in
            let result = try await command.run("apply", file.path)
            #expect(result.status == exit && result.output.contains(state.rawValue), "\(result)")
            let quiet = try await command.run("apply", file.path, "--json")
            #expect(quiet.status == exit, "\(quiet)")
            let view = try WireCoding.decode(OperatorAPI.PromotionView.self, from: Data(quiet.output.utf8))
            #expect(view.state == state.rawValue)
        }
    }
}
