internal import FlowForgeDomain
internal import FlowForgeGovernance
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Hummingbird
internal import Logging

/// Lets only those pass who show a valid token: `Authorization: Bearer ff_…`. What is refused for want
/// of a token or of a role is audited.
struct Authentication: RouterMiddleware {
    let principals: Principals
    let refusals: RefusalTrail

    func handle(
        _ request: Request, context: OperatorContext, next: (Request, OperatorContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        do {
            let session = try await principals.authenticate(try Self.token(request))
            context.signedIn = session
            context.logger[metadataKey: "principal"] = "\(session.principal.name)"
        } catch let error as APIError where error.code == .unauthenticated {
            await record(error, .system("operator-api"), "principal.authenticate", request)
            throw error
        }
        do {
            return try await next(request, context)
        } catch let error as APIError where error.code == .forbidden {
            await Scope.$current.withValue(context.signedIn?.scope ?? .platform) {
                await record(error, context.signedIn?.actor ?? .system("operator-api"), "principal.authorize", request)
            }
            throw error
        }
    }

    private func record(_ error: APIError, _ actor: Actor, _ action: String, _ request: Request) async {
        await refusals.record(
            actor: actor, action: action, subject: "\(request.method) \(request.uri.path.prefix(256))", error: error)
    }

    private static func token(_ request: Request) throws(APIError) -> Secret {
        let parts = request.headers[.authorization]?.split(separator: " ", maxSplits: 1) ?? []
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw APIError(
                .unauthenticated, "this needs a token: Authorization: Bearer ff_…",
                hint: "run `flowforge login` with the token that `flowforged init` printed, or ask an owner for one")
        }
        return Secret(String(parts[1]))
    }
}
