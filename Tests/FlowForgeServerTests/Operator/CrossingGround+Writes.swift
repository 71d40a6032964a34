import AsyncHTTPClient
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import FlowForgeServer

extension CrossingGround {
    /// Everything that changes something in an organisation, in an order in which each finds what it is about.
    private static let writes = [
        "createPrincipal", "createProject", "createEnvironment", "suppressDrift", "unsuppressDrift", "adoptDrift",
        "revertDrift", "lookForDrift", "putBlob", "pushBundle", "pushReferrer", "yankBundle", "unyankBundle", "makePlan",
        "approvePlan", "overrideGate", "answerGate", "requestPromotion", "cancelPromotion", "deploy", "pauseTrigger",
        "resumeTrigger", "fireTrigger", "makeWebhookSecret", "pauseFlow", "resumeFlow", "startRun", "cancelRun", "rerunRun",
        "startBackfill", "cancelBackfill", "overrideVariable", "removeOverride", "applyEnvironment", "setLimit",
        "removeLimit", "createJoinToken", "revokeJoinToken", "drainAgent", "resumeAgent", "revokeAgent", "revokeToken",
        "revokePrincipal",
    ]

    /// Of these the right answer is no success.
    private static let others: [String: Set<Int>] = [
        // The bundle says what its schedules are.
        "adoptDrift": [409],
        // The run that the scenario has fired goes on.
        "fireTrigger": [200, 201, 409],
    ]

    func body(of operation: OpenAPI.Operation) throws -> JSONValue {
        switch operation.id {
        case "createPrincipal": ["name": "spy", "role": "viewer", "organisation": "default", "projects": ["default"]]
        case "createOrganisation": ["name": "spies"]
        case "createProject": ["name": "spies", "organisation": "default"]
        case "createEnvironment": ["name": "dev", "pool": "local", "variables": ["a": 1]]
        case "applyEnvironment": ["spec": try JSONValue(encoding: EnvironmentSpec(name: "dev", pool: "local"))]
        case "overrideVariable": ["value": 7, "reason": "mine"]
        case "deploy", "makePlan": ["bundle": "demo@1.0.0"]
        case "approvePlan": ["approves": true]
        case "overrideGate": ["message": "mine"]
        case "answerGate": ["passed": true, "message": "mine"]
        case "requestPromotion": ["kind": "apply", "plan": .string(plan)]
        case "suppressDrift": ["until": .string(WireCoding.text(Date() + 600)), "reason": "mine"]
        case "pushBundle": ["digest": .string(bundle)]
        case "pushReferrer": ["digest": .string(referrer)]
        case "yankBundle", "pauseFlow": ["reason": "mine"]
        case "startRun": ["environment": "dev", "flow": "main", "parameters": [:]]
        case "setLimit": ["slots": 0]
        case "startBackfill":
            [
                "environment": "dev", "flow": "main", "from": "2026-01-01T00:00:00.000Z", "until": "2026-01-03T00:00:00.000Z",
                "everySeconds": 86400,
            ]
        case "createJoinToken": ["pool": "local", "ttlSeconds": 60, "uses": 1]
        default: [:]
        }
    }

    /// Does everything as an owner of the organisation; what concerns all of them stays refused.
    func change(as token: String) async throws {
        let known = Dictionary(operations.map { ($0.id, $0) }) { first, _ in first }
        let changing = operations.filter { !["GET", "HEAD"].contains($0.method) && $0.role != nil }.map(\.id)
        let closed = Self.platformOnly.union(["createOrganisation"])
        #expect(
            Set(changing).subtracting(closed).subtracting(Self.common) == Set(Self.writes), "say of each where it comes in order")
        for id in changing where closed.contains(id) {
            let answer = try await send(try #require(known[id]), as: token)
            #expect(answer.status == 403, "\(id): \(answer.status)")
        }
        for id in Self.writes {
            let answer = try await send(try #require(known[id]), as: token)
            let right = Self.others[id] ?? [200, 201, 204]
            let text = String(decoding: answer.body.prefix(300), as: UTF8.self)
            #expect(right.contains(answer.status), "\(id): \(answer.status) \(text)")
        }
    }

    private func send(_ operation: OpenAPI.Operation, as token: String) async throws -> OperatorFixture.Answer {
        let bytes = operation.id == "putBlob" ? blob : try WireCoding.encode(try body(of: operation))
        return try await fixture.send(
            HTTPMethod(rawValue: operation.method), path(of: operation), as: token,
            body: ["POST", "PUT"].contains(operation.method) ? .bytes(ByteBuffer(bytes: bytes)) : nil)
    }
}
