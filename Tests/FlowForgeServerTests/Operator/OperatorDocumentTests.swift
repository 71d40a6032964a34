import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Hummingbird
import NIOHTTP1
import Subprocess
import Testing

@testable import FlowForgeServer

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// The OpenAPI document against the router, a validator, and what the control plane really answers.
@Suite(.timeLimit(.minutes(2))) struct OperatorDocumentTests {
    @Test func `the document is valid OpenAPI 3_1`() async throws {
        let result = try await python(
            """
            import json, sys
            from openapi_spec_validator import validate
            document = json.load(open(sys.argv[1]))
            assert document["openapi"].startswith("3.1")
            validate(document)
            """, OpenAPI.file.path)
        #expect(result.isEmpty, "\(result)")
    }

    @Test func `the document and the router have the same routes`() async throws {
        let documented = Set(try OpenAPI.read().operations.map { "\($0.method) \($0.path)" })
        try await OperatorFixture.serving { fixture in
            let routes = ControlPlane.operatorRouter(fixture.services).routes
            #expect(Set(routes.map { "\($0.method) \($0.path)" }) == documented)
        }
    }

    @Test func `each operation has a summary, a description, an id of its own and an answer`() throws {
        let operations = try OpenAPI.read().operations
        #expect(Set(operations.map(\.id)).count == operations.count)
        for operation in operations {
            for member in ["summary", "description", "operationId"] {
                #expect(operation.content[member]?.string?.isEmpty == false, "\(operation.id) has no \(member)")
            }
            #expect(operation.content["security"] != nil, "\(operation.id) does not say who may call it")
            #expect(operation.content["responses"]?.object?.isEmpty == false)
        }
    }

    @Test func `every route is closed without a token and to a lower role`() async throws {
        let operations = try OpenAPI.read().operations
        try await OperatorFixture.serving { fixture in
            for operation in operations {
                let (method, path) = (HTTPMethod(rawValue: operation.method), operation.examplePath)
                guard let role = operation.role else {
                    // Deliveries are signed.
                    if operation.path.hasPrefix("/hooks/") { continue }
                    #expect(["/healthz", "/readyz"].contains(operation.path))
                    #expect(try await fixture.send(method, path).status == 200)
                    continue
                }
                let anonymous = try await fixture.send(method, path)
                #expect(anonymous.status == 401, "\(operation.id)")
                let unknown = try await fixture.send(method, path, as: "ff_api_0000000000000000")
                #expect(unknown.status == 401, "\(operation.id)")
                // An answer to HEAD has no body.
                if method != .HEAD {
                    #expect(anonymous.error?.code == .unauthenticated && unknown.error?.code == .unauthenticated)
                }
                let lower: [Role: String] = [.operator_: fixture.viewer, .owner: fixture.operator_]
                if let token = lower[role] {
                    let refused = try await fixture.send(method, path, as: token)
                    #expect(refused.status == 403, "\(operation.id)")
                    if method != .HEAD { #expect(refused.error?.code == .forbidden) }
                }
            }
            let audited = try await fixture.get("/audit?action=principal.authorize&limit=500", as: fixture.owner)
            let refusals = try audited.decoded(OperatorAPI.Page<OperatorAPI.AuditEntryView>.self)
            #expect(refusals.items.contains { $0.outcome == "refused" && $0.actor == "principal:vera" })
        }
    }

    @Test func `what the control plane answers is what the document says`() async throws {
        try await OperatorFixture.serving { fixture in
            let file = fixture.plane.folder.appending(path: "answers.json")
            let answers = try await OperatorScenario(fixture: fixture).play()
            try WireCoding.encode(answers).write(to: file)
            let result = try await python(Self.conformance, OpenAPI.file.path, file.path)
            #expect(result.isEmpty, "\(result)")
        }
    }

    @Test func `the document is served`() async throws {
        try await OperatorFixture.serving { fixture in
            let answer = try await fixture.get("/openapi.json")
            #expect(answer.status == 200)
            #expect(try answer.decoded(JSONValue.self) == WireCoding.decode(JSONValue.self, from: Data(contentsOf: OpenAPI.file)))
        }
    }

    /// Prints what is at odds. Objects are taken as closed, so that a member that is not documented is found.
    private static let conformance = """
        import json, sys
        from jsonschema import Draft202012Validator, FormatChecker
        document, answers = (json.load(open(path)) for path in sys.argv[1:3])

        def closed(node):
            if isinstance(node, list): return [closed(x) for x in node]
            if not isinstance(node, dict): return node
            node = {key: closed(value) for key, value in node.items()}
            if "properties" in node and "additionalProperties" not in node: node["additionalProperties"] = False
            return node

        def followed(node):
            while "$ref" in node:
                target = document
                for part in node["$ref"].split("/")[1:]: target = target[part]
                node = target
            return node

        components = {"schemas": closed(document["components"]["schemas"])}
        operations = {o["operationId"]: o for path in document["paths"].values() for o in path.values()}
        succeeded = set()
        for answer in answers:
            name, status = answer["operation"], str(answer["status"])
            label = f"{name} {status}"
            if status.startswith("2"): succeeded.add(name)
            documented = operations[name]["responses"].get(status)
            if documented is None:
                print(f"{label}: this status is not documented", json.dumps(answer.get("body"))[:300])
                continue
            content = followed(documented).get("content")
            body = answer.get("body")
            if not content:
                if body is not None: print(f"{label}: a body that is not documented")
                continue
            if "application/json" not in content and {"text/plain", "application/octet-stream"} & set(content): continue
            schema = {**closed(content["application/json"]["schema"]), "components": components}
            for error in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(body):
                print(f"{label}: {error.json_path}: {error.message[:300]}")
        for name in sorted(set(operations) - succeeded): print(f"{name}: no answer was collected")
        """
}

/// The document as the tests read it.
struct OpenAPI {
    static let file = Checkout.root.appending(path: "Sources/FlowForgeServer/Resources/openapi.json")

    struct Operation {
        var method: String
        var path: String
        var content: JSONValue

        var id: String { content["operationId"]?.string ?? "" }

        /// The lowest role that may call it.
        var role: Role? {
            content["security"]?.array?.first?["apiToken"]?.array?.first?.string.flatMap(Role.init(rawValue:))
        }

        /// With something that is well-formed, if not there, in every place.
        var examplePath: String {
            let examples = [
                "{environment}": "dev", "{run}": "\(ID<Run>.make())", "{trigger}": "\(ID<Trigger>.make())",
                "{agent}": "\(ID<Agent>.make())", "{backfill}": "\(ID<Backfill>.make())", "{flow}": "main",
                "{key}": "resource:warehouse",
                "{digest}": "sha256:\(String(repeating: "0", count: 64))", "{bundle}": "demo", "{version}": "1.0.0",
                "{asset}": "bronze.raw",
                "{id}": path.contains("principals")
                    ? "\(ID<Principal>.make())" : path.contains("join") ? "\(ID<JoinToken>.make())" : "\(ID<ShortToken>.make())",
            ]
            return examples.reduce(path) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
        }
    }

    var operations: [Operation]

    static func read() throws -> OpenAPI {
        let document = try WireCoding.decode(JSONValue.self, from: Data(contentsOf: file))
        let operations = (document["paths"]?.object ?? [:]).flatMap { path, methods in
            (methods.object ?? [:]).map { Operation(method: $0.key.uppercased(), path: path, content: $0.value) }
        }
        return OpenAPI(operations: operations.sorted { ($0.path, $0.method) < ($1.path, $1.method) })
    }
}

/// Runs `program` in the Python of `make tools`; returns what it printed, errors included.
func python(_ program: String, _ arguments: String...) async throws -> String {
    let result = try await Subprocess.run(
        .path(FilePath(try Checkout.python().path)), arguments: .init(["-c", program] + arguments),
        output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 20))
    let text = result.standardOutput + result.standardError
    return result.terminationStatus.isSuccess || !text.isEmpty ? text : "python ended with \(result.terminationStatus)"
}
