import AsyncHTTPClient
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeOrchestration
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import FlowForgeServer

/// Uses every operation of the API once in the order in which people do, and some wrongly, and keeps
/// each answer.
final class OperatorScenario {
    struct Record: Encodable {
        var operation: String
        var status: Int
        var body: JSONValue?
    }

    let fixture: OperatorFixture
    private var records: [Record] = []

    init(fixture: OperatorFixture) { self.fixture = fixture }

    func play() async throws -> [Record] {
        try await serveAndGovern()
        let bundle = try await release()
        let run = try await runOnce()
        try await promote(bundle)
        try await trigger()
        try await backfill()
        try await look(at: run, of: bundle)
        try await manageAgents()
        try await backUp()
        return records
    }

    @discardableResult
    func call(
        _ operation: String, _ method: HTTPMethod, _ path: String, _ body: Data? = nil, as token: String? = nil
    ) async throws -> OperatorFixture.Answer {
        let answer = try await fixture.send(
            method, path, as: token ?? fixture.owner, body: body.map { .bytes(ByteBuffer(bytes: $0)) })
        try keep(answer, of: operation)
        return answer
    }

    func keep(_ answer: OperatorFixture.Answer, of operation: String) throws {
        let isJSON = answer.headers.first(name: "content-type")?.hasPrefix("application/json") == true
        let text = answer.body.isEmpty ? nil : JSONValue.string(String(decoding: answer.body, as: UTF8.self))
        records.append(
            Record(
                operation: operation, status: answer.status, body: isJSON ? try answer.decoded(JSONValue.self) : text))
    }

    func get(_ operation: String, _ path: String, as token: String? = nil) async throws {
        try await call(operation, .GET, "/api/v1\(path)", as: token)
    }

    @discardableResult
    func post(
        _ operation: String, _ path: String, _ body: JSONValue = [:], as token: String? = nil
    ) async throws -> JSONValue {
        let bytes = try WireCoding.encode(body)
        let answer = try await call(operation, .POST, "/api/v1\(path)", bytes, as: token)
        return try answer.decoded(JSONValue.self)
    }

    private func serveAndGovern() async throws {
        for (operation, path) in [("getHealth", "/healthz"), ("getReadiness", "/readyz"), ("getMetrics", "/metrics")] {
            try await call(operation, .GET, path)
        }
        try await get("getOpenAPI", "/openapi.json")
        try await get("whoAmI", "/whoami")
        try await get("listPrincipals", "/principals?limit=1")
        try await get("listPrincipals", "/principals?limit=0")
        try await get("listPrincipals", "/principals", as: fixture.viewer)
        let grant = try await post("createPrincipal", "/principals", ["name": "ci", "role": "operator", "ttlSeconds": 60])
        try await post("createPrincipal", "/principals", ["name": "ci", "role": "operator"])
        try await post("createPrincipal", "/principals", ["name": 1])
        let id = try #require(grant["principal"]?["id"]?.string)
        try await call("revokePrincipal", .DELETE, "/api/v1/principals/\(id)")
        try await call("revokePrincipal", .DELETE, "/api/v1/principals/\(ID<Principal>.make())")
        try await call("revokePrincipal", .DELETE, "/api/v1/principals/nobody")
        for _ in 0..<2 { try await post("createOrganisation", "/organisations", ["name": "retail"]) }
        try await post("createOrganisation", "/organisations", ["name": "Retail!"])
        try await get("listOrganisations", "/organisations?limit=1")
        try await get("listOrganisations", "/organisations?x=1")
        for _ in 0..<2 { try await post("createProject", "/projects", ["name": "stores", "organisation": "retail"]) }
        try await post("createProject", "/projects", ["name": "stores", "organisation": "none"])
        try await get("listProjects", "/projects?organisation=retail")
        try await get("listProjects", "/projects?organisation=none")
        try await post(
            "createPrincipal", "/principals",
            ["name": "rob", "role": "viewer", "organisation": "retail", "projects": ["stores"]])
        let short = try await post(
            "createToken", "/tokens", ["name": "ci-1", "role": "operator", "ttlSeconds": 60, "allow": ["plan"]])
        try await post("createToken", "/tokens", ["role": "owner"], as: fixture.operator_)
        try await post("createToken", "/tokens", ["ttlSeconds": 4000])
        try await post("createToken", "/tokens", ["environments": ["nowhere"]])
        try await get("whoAmI", "/whoami", as: short["token"]?.string)
        try await get("listTokens", "/tokens?all=true")
        try await get("listTokens", "/tokens?all=true", as: fixture.viewer)
        for _ in 0..<2 { try await call("revokeToken", .DELETE, "/api/v1/tokens/\(try #require(short["view"]?["id"]?.string))") }
        try await call("revokeToken", .DELETE, "/api/v1/tokens/\(ID<ShortToken>.make())")
        try await get("whoAmI", "/whoami", as: short["token"]?.string)
    }

    private func backUp() async throws {
        try await post("makeBackup", "/backups")
        try await get("listBackups", "/backups")
        try await get("listBackups", "/backups?x=1")
        try await get("getRetention", "/retention")
        try await get("getRetention", "/retention?x=1")
    }

    private func release() async throws -> PackedBundle {
        try await post("createEnvironment", "/environments", ["name": "dev", "pool": "local", "variables": ["a": 1]])
        try await post("createEnvironment", "/environments", ["name": "dev", "pool": "local", "variables": ["a": 1]])
        try await post("createEnvironment", "/environments", ["name": "dev", "pool": "other", "variables": [:]])
        try await post("createEnvironment", "/environments", [:], as: fixture.operator_)
        try await get("listEnvironments", "/environments")
        try await get("getEnvironment", "/environments/dev")
        try await get("getEnvironment", "/environments/prod")

        let bundle = try await fixture.pack()
        for blob in bundle.blobs {
            let path = "/api/v1/blobs/\(blob.descriptor.digest)"
            try await call("hasBlob", .HEAD, path)
            try await call("putBlob", .PUT, path, Data("wrong".utf8))
            for _ in 0..<2 { try await call("putBlob", .PUT, path, blob.bytes) }
            try await call("hasBlob", .HEAD, path)
            try await call("getBlob", .GET, path)
        }
        try await call("putBlob", .PUT, "/api/v1/blobs/nonsense", Data())
        for none in ["nonsense", ContentDigest.of(Data("none".utf8))] {
            try await call("getBlob", .GET, "/api/v1/blobs/\(none)")
        }
        for _ in 0..<2 { try await post("pushBundle", "/bundles", ["digest": .string(bundle.digest)]) }
        try await post("pushBundle", "/bundles", ["digest": .string(ContentDigest.of(Data()))])
        try await post("pushBundle", "/bundles", ["digest": .string(bundle.ociManifest.config.digest)])
        try await sign(bundle)
        try await get("listBundles", "/bundles")
        try await get("getBundle", "/bundles/\(bundle.digest)")
        try await get("getBundle", "/bundles/0123456789ab")
        try await get("getBundleVersion", "/bundles/demo/1.0.0")
        try await get("getBundleVersion", "/bundles/demo/2.0.0")
        try await post("yankBundle", "/bundles/demo/1.0.0/yank", ["reason": "bad"])
        try await post("yankBundle", "/bundles/demo/1.0.0/yank", ["reason": ""])
        try await post("yankBundle", "/bundles/demo/2.0.0/yank", ["reason": "bad"])
        try await get("getBundleVersion", "/bundles/demo/1.0.0")
        try await post("deploy", "/environments/dev/releases", ["bundle": "demo@1.0.0"])
        for _ in 0..<2 { try await post("unyankBundle", "/bundles/demo/1.0.0/unyank") }
        try await post("unyankBundle", "/bundles/demo/2.0.0/unyank")
        for dry in [true, false] { try await post("collectGarbage", "/garbage-collections", ["dryRun": .bool(dry)]) }
        try await post("collectGarbage", "/garbage-collections", ["dryRun": "yes"])
        for _ in 0..<2 { try await post("deploy", "/environments/dev/releases", ["bundle": "demo@1.0.0"]) }
        try await post("deploy", "/environments/dev/releases", ["bundle": "demo"])
        try await post("deploy", "/environments/prod/releases", ["bundle": "demo@1.0.0"])
        try await get("listReleases", "/environments/dev/releases")
        return bundle
    }

    private func sign(_ bundle: PackedBundle) async throws {
        let statement = InTotoStatement(subject: .init(bundle.reference), predicateType: "https://example.com/x", predicate: [:])
        let signed = try Attestation(statement, of: bundle.descriptor, signedWith: [SigningKey(.ed25519)])
        let path = "/bundles/\(bundle.digest)/referrers"
        try await post("pushReferrer", path, ["digest": .string(signed.digest)])
        for blob in signed.blobs { try await call("putBlob", .PUT, "/api/v1/blobs/\(blob.descriptor.digest)", blob.bytes) }
        for _ in 0..<2 { try await post("pushReferrer", path, ["digest": .string(signed.digest)]) }
        try await post("pushReferrer", path, ["digest": .string(bundle.digest)])
        try await post("pushReferrer", path, ["digest": 1])
        try await post("pushBundle", "/bundles", ["digest": .string(bundle.digest), "attestations": [.string(signed.digest)]])
        try await get("listReferrers", path)
        try await get("listReferrers", "\(path)?artifactType=text/plain")
        try await get("listReferrers", "\(path)?x=1")
        try await get("listReferrers", "/bundles/\(ContentDigest.of(Data()))/referrers")
        try await get("getEvidenceKey", "/evidence-key")
        try await get("getEvidenceKey", "/evidence-key?x=1")
    }

    /// Runs the flow's first task as an agent would, cancels the rest.
    private func runOnce() async throws -> String {
        let request: JSONValue = ["environment": "dev", "flow": "main", "parameters": [:], "idempotencyKey": "k"]
        let run = try await post("startRun", "/runs", request)
        try await post("startRun", "/runs", request)
        try await post("startRun", "/runs", ["environment": "dev", "flow": "other", "parameters": [:]])
        try await post("startRun", "/runs", ["environment": "dev"])
        let id = try #require(run["id"]?.string)
        try await work()
        try await get("getRun", "/runs/\(id)")
        try await post("cancelRun", "/runs/\(id)/cancel")
        try await post("rerunRun", "/runs/\(id)/rerun", ["all": true, "priority": 5])
        try await post("rerunRun", "/runs/\(id)/rerun", ["tasks": ["nothing"]])
        try await post("rerunRun", "/runs/\(ID<Run>.make())/rerun")
        try await limit()
        return id
    }

    private func limit() async throws {
        try await get("listFlows", "/environments/dev/flows")
        try await get("listFlows", "/environments/prod/flows")
        try await post("pauseFlow", "/environments/dev/flows/main/pause", ["reason": "why"])
        try await post("pauseFlow", "/environments/dev/flows/main/pause", ["reason": ""])
        try await post("pauseFlow", "/environments/dev/flows/other/pause", ["reason": "why"])
        try await get("listFlows", "/environments/dev/flows")
        try await post("resumeFlow", "/environments/dev/flows/main/resume")
        try await post("resumeFlow", "/environments/dev/flows/other/resume")
        for slots: JSONValue in [["slots": 3], ["slots": -1]] {
            try await call("setLimit", .PUT, "/api/v1/limits/resource%3Awarehouse", try WireCoding.encode(slots))
        }
        try await call("setLimit", .PUT, "/api/v1/limits/nonsense", try WireCoding.encode(["slots": 1] as JSONValue))
        try await get("listLimits", "/limits")
        for _ in 0..<2 { try await call("removeLimit", .DELETE, "/api/v1/limits/resource%3Awarehouse") }
    }

    private func backfill() async throws {
        let range: JSONValue = [
            "environment": "dev", "flow": "main", "from": "2026-01-01T00:00:00.000Z", "until": "2026-01-03T00:00:00.000Z",
            "everySeconds": 86400, "idempotencyKey": "b",
        ]
        let made = try await post("startBackfill", "/backfills", range)
        try await post("startBackfill", "/backfills", range)
        try await post("startBackfill", "/backfills", ["environment": "dev"])
        try await get("listBackfills", "/backfills?environment=dev&limit=1")
        try await get("listBackfills", "/backfills?after=x")
        let id = try #require(made["id"]?.string)
        try await get("getBackfill", "/backfills/\(id)")
        try await get("getBackfill", "/backfills/\(ID<Backfill>.make())")
        try await get("listBackfillTicks", "/backfills/\(id)/ticks?limit=1")
        try await get("listBackfillTicks", "/backfills/\(id)/ticks?after=x")
        try await post("cancelBackfill", "/backfills/\(id)/cancel")
        try await post("cancelBackfill", "/backfills/\(ID<Backfill>.make())/cancel")
    }

    private func trigger() async throws {
        try await get("listTriggers", "/triggers?environment=dev&all=true&limit=1")
        try await get("listTriggers", "/triggers?all=perhaps")
        let triggers = try await fixture.get("/triggers").decoded(OperatorAPI.Page<OperatorAPI.TriggerView>.self)
        let schedule = try #require(triggers.items.first { $0.kind == .schedule }).id
        let hook = try #require(triggers.items.first { $0.kind == .webhook }).id
        try await post("fireTrigger", "/triggers/\(schedule)/fire", ["key": "k"])
        try await post("fireTrigger", "/triggers/\(schedule)/fire", ["key": "k"])
        try await post("fireTrigger", "/triggers/\(schedule)/fire", ["key": ""])
        try await post("fireTrigger", "/triggers/\(ID<Trigger>.make())/fire")
        for verb in ["pause", "resume"] {
            try await post("\(verb)Trigger", "/triggers/\(schedule)/\(verb)")
            try await post("\(verb)Trigger", "/triggers/\(ID<Trigger>.make())/\(verb)")
        }
        try await get("getTrigger", "/triggers/\(schedule)")
        try await get("getTrigger", "/triggers/\(ID<Trigger>.make())")
        try await get("listTicks", "/triggers/\(schedule)/ticks?limit=5")
        try await get("listTicks", "/triggers/\(schedule)/ticks?after=x")
        try await get("previewTrigger", "/triggers/\(schedule)/preview?count=3")
        try await get("previewTrigger", "/triggers/\(hook)/preview")
        let made = try await post("makeWebhookSecret", "/triggers/\(hook)/secret", ["keepOldSeconds": 60])
        try await post("makeWebhookSecret", "/triggers/\(hook)/secret", ["keepOldSeconds": -1])
        try await post("makeWebhookSecret", "/triggers/\(schedule)/secret")
        let (path, secret) = (try #require(made["path"]?.string), try #require(made["secret"]?.string))
        for _ in 0..<2 { try keep(try await fixture.deliver("m1", to: path, secret: secret), of: "deliverWebhook") }
        try keep(try await fixture.deliver("m2", to: path, secret: "whsec_AAAA"), of: "deliverWebhook")
        try keep(try await fixture.deliver("m.2", to: path, secret: secret), of: "deliverWebhook")
        let long = String(repeating: " ", count: 65_537)
        try keep(try await fixture.deliver("m3", to: path, secret: secret, body: long), of: "deliverWebhook")
    }

    private func work() async throws {
        let services = fixture.services
        let agent = ID<Agent>.make()
        let (from, to) = (Date(), Date().addingTimeInterval(3600))
        try await services.store.write { session in
            try session.agents.insert(agent, name: "alpha", pool: "local", agentVersion: "0.1.0")
            try session.certificates.insert(serial: "01", agent: agent, notBefore: from, notAfter: to)
        }
        let identity = AgentIdentity(id: agent, pool: "local", certificateSerial: "01", certificateNotAfter: to)
        let poll = AgentAPI.PollRequest(
            freeSlots: 1, slots: 1, engines: [.init(name: "duckdb", version: "1.5.5")], labels: ["site": "here"],
            waitSeconds: 0)
        let assignment = try #require(try await services.dispatcher.poll(poll, from: identity).assignments.first)
        let asset = try #require(AssetName("bronze.raw"))
        let snapshot = ID<Snapshot>.make()
        let event = OpenLineage.RunEvent(
            eventTime: Date(), eventType: .complete, run: .init(runId: assignment.attempt.uuid),
            job: .init(namespace: OpenLineage.namespace(environment: "dev"), name: "demo.main.load"),
            inputs: [.init(namespace: OpenLineage.sourceNamespace(environment: "dev"), name: "raw.csv", inputFacets: [:])],
            outputs: [
                .init(namespace: OpenLineage.namespace(environment: "dev"), name: "bronze.raw", outputFacets: ["x": [:]])
            ])
        let bodies: [AgentAPI.ReportBody] = [
            .started(.init(pid: 1)), .progress(TaskProgress(step: 1, steps: 2, label: "write", percent: 50)),
            .log(.init(offset: 0, lines: [LogLine(at: Date(), stream: .stdout, text: "hello")])), .lineage(event),
            .finished(
                AgentAPI.Finished(
                    outcome: .succeeded, metrics: TaskMetrics(rowsRead: 1, rowsWritten: 1),
                    checks: [
                        CheckResult(
                            name: "not_null(id)", kind: "not_null", column: "id", severity: .fail, passed: true,
                            failingRows: 0, message: "0 rows")
                    ],
                    output: TaskOutput(
                        asset: asset, snapshot: snapshot, location: "snapshots/\(snapshot)", rows: 1, bytes: 10,
                        schema: [ColumnSchema(name: "id", type: "INTEGER", tags: ["key"])],
                        statistics: [
                            ColumnStatistics(column: "id", count: 1, nulls: 0, distinct: 1, minimum: 1, maximum: 1),
                            ColumnStatistics(
                                column: "name", count: 1, nulls: 0, minimumLength: 1, maximumLength: 3, averageLength: 1.5),
                        ]), logLines: 1)),
        ]
        let events = bodies.enumerated().map { index, body in
            AgentAPI.ReportEvent(
                number: Int64(index + 1), at: Date(), attempt: assignment.attempt, lease: assignment.lease,
                fencing: assignment.fencing, body: body)
        }
        let answer = try await services.reports.accept(.init(spool: .make(), events: events), from: identity)
        #expect(answer.acknowledged == Int64(bodies.count) && answer.stale.isEmpty)
    }

    private func look(at run: String, of bundle: PackedBundle) async throws {
        try await get("listRuns", "/runs?environment=dev&limit=1")
        try await get("listRuns", "/runs?state=sleeping")
        try await get("getRun", "/runs/\(run)?since=0&wait=1")
        try await get("getRun", "/runs/\(run)?wait=26")
        try await get("getRun", "/runs/\(ID<Run>.make())")
        try await get("getRunLogs", "/runs/\(run)/logs?task=load&limit=10")
        try await get("getRunLogs", "/runs/\(run)/logs?after=nonsense")
        try await get("getRunLineageEvents", "/runs/\(run)/lineage-events?limit=1")
        try await get("getRunLineageEvents", "/runs/\(run)/lineage-events?after=x")
        try await post("cancelRun", "/runs/\(ID<Run>.make())/cancel")
        try await get("listAssets", "/assets?environment=dev")
        try await get("listAssets", "/assets")
        try await get("getAsset", "/assets/bronze.raw?environment=dev")
        try await get("getAsset", "/assets/gold.none?environment=dev")
        try await get("getAsset", "/assets/none?environment=dev")
        try await get("getLineage", "/lineage?environment=dev&asset=bronze.raw&direction=upstream&depth=3")
        try await get("getLineage", "/lineage?environment=dev&asset=bronze.raw&direction=sideways")
    }

    private func manageAgents() async throws {
        let grant = try await post("createJoinToken", "/join-tokens", ["pool": "local", "ttlSeconds": 60, "uses": 1])
        try await post("createJoinToken", "/join-tokens", ["pool": "local", "ttlSeconds": 0, "uses": 1])
        try await get("listJoinTokens", "/join-tokens")
        let token = try #require(grant["id"]?.string)
        try await call("revokeJoinToken", .DELETE, "/api/v1/join-tokens/\(token)")
        try await call("revokeJoinToken", .DELETE, "/api/v1/join-tokens/\(ID<JoinToken>.make())")
        try await get("listAgents", "/agents?pool=local")
        let agents = try await fixture.get("/agents").decoded(OperatorAPI.Page<OperatorAPI.AgentView>.self)
        let agent = try #require(agents.items.first).id
        try await get("getAgent", "/agents/\(agent)")
        try await get("getAgent", "/agents/\(ID<Agent>.make())")
        for verb in ["drain", "resume", "revoke", "drain"] { try await post("\(verb)Agent", "/agents/\(agent)/\(verb)") }
        try await get("listAudit", "/audit?limit=5")
        try await get("listAudit", "/audit?after=x")
    }
}
