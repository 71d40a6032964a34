import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeOrchestration
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    func addRuns(_ starter: RunStarter, _ runs: RunReader) {
        get("runs") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["environment", "state", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await runs.list(
                    environment: query.text("environment"), state: try query.choice("state", RunState.self),
                    after: page.after, limit: page.limit))
        }
        post("runs", .operator_) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.StartRun.self)
            let result = try await starter.start(wanted, by: caller.actor)
            return try .created(result.created, result.run)
        }
        get("runs/:run") { request, context, _ in
            let query = try OperatorQuery(request, allowing: ["since", "wait"])
            let (id, since, wait) = (try context.id("run", of: Run.self), try query.version("since"), try query.wait())
            return try .json(try await request.held(for: wait) { try await runs.run(id, since: since, waiting: wait) })
        }
        post("runs/:run/cancel", .operator_) { _, context, caller in
            try .json(try await starter.cancel(try context.id("run", of: Run.self), by: caller.actor))
        }
        post("runs/:run/rerun", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.RerunRequest.self)
            let run = try await starter.rerun(try context.id("run", of: Run.self), wanted, by: caller.actor)
            return try .created(true, run)
        }
        get("runs/:run/logs") { request, context, _ in
            let query = try OperatorQuery(request, allowing: ["task", "after", "limit", "wait"])
            let (id, page, wait) = (try context.id("run", of: Run.self), try query.page(), try query.wait())
            let task = query.text("task")
            return try .json(
                try await request.held(for: wait) {
                    try await runs.logs(id, task: task, after: page.after, limit: page.limit, waiting: wait)
                })
        }
        get("runs/:run/lineage-events") { request, context, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(
                try await runs.lineageEvents(try context.id("run", of: Run.self), after: page.after, limit: page.limit))
        }
    }
}
