import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import Foundation
import Hummingbird

/// Holds confined tokens to what they may touch, before a route sees the request.
struct Confinement: Sendable {
    let reach: TokenReach

    /// Returns the request for the route, whose body may have been read. Throws ``APIError`` `forbidden`.
    func checked(
        _ request: Request, _ context: OperatorContext, of route: RequestReach, by confinement: TokenConfinement
    ) async throws -> Request {
        guard confinement.allows(route.action) else {
            throw APIError(
                .forbidden, "this token may not \(route.action?.rawValue ?? "do this")",
                hint: "make one with `flowforge token create --allow \(route.action?.rawValue ?? "…")`")
        }
        guard confinement.environments != nil else { return request }
        var request = request
        let touched: [String]
        switch route.place {
        case .common: return request
        case .everywhere: throw Self.refusal
        case .path: touched = [try context.part("environment")]
        case .pathAndBody: touched = try await body(&request) + [try context.part("environment")]
        case .body: touched = try await body(&request)
        case .query: touched = request.uri.queryParameters.filter { $0.key == "environment" }.map { String($0.value) }
        case .plan: touched = try await environments(of: .plan, "digest", context)
        case .promotion: touched = try await environments(of: .promotion, "promotion", context)
        case .run: touched = try await environments(of: .run, "run", context)
        case .trigger: touched = try await environments(of: .trigger, "trigger", context)
        case .backfill: touched = try await environments(of: .backfill, "backfill", context)
        }
        // What is not there is refused like what is elsewhere: it is not for such a token to find out.
        guard !touched.isEmpty, confinement.allows(touched) else { throw Self.refusal }
        return request
    }

    static let refusal = APIError(
        .forbidden, "this is of no environment that the token may touch",
        hint: "lists need `environment`; a token of more environments is made with `flowforge token create --env …`")

    private func environments(of noun: TokenReach.Noun, _ part: String, _ context: OperatorContext) async throws -> [String] {
        Array(try await reach.environments(of: noun, try context.part(part)))
    }

    /// Every environment that the body names. Read by the same decoder as the route's own, so that both see the
    /// same of a member that is there twice.
    private func body(_ request: inout Request) async throws -> [String] {
        struct Named: Decodable {
            var environment: String?
            var source: String?
            var plan: String?
        }
        let bytes = try await request.collected(upTo: Request.largestOperatorBody)
        request.body = RequestBody(buffer: bytes)
        let named: Named
        do { named = try WireCoding.decode(Named.self, from: Data(bytes.readableBytesView)) } catch let error as DecodingError {
            throw APIError(invalidBody: error)
        }
        var touched = [named.environment, named.source].compactMap { $0 }
        if let plan = named.plan {
            let found = try await reach.environments(of: .applied, plan)
            guard !found.isEmpty else { throw Self.refusal }
            touched += found
        }
        return touched
    }
}
