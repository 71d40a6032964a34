internal import FlowForgeProtocol
internal import Foundation
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// Turns whatever a route throws into the one error body of the wire.
struct ErrorResponses<Context: RequestContext>: RouterMiddleware {
    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPParserError {
            // The connection cannot go on; Hummingbird answers 400 and closes it.
            throw error
        } catch {
            if request.mayHaveMuchLeft || (error as? APIError)?.code == .requestTimeout { Connection.current?.closeAfterResponse() }
            guard let refusal = ErrorStatus.refusal(for: error) else {
                context.logger.error(
                    "request failed",
                    metadata: ["method": "\(request.method)", "path": "\(request.uri.path)", "error": "\(error)"])
                return try .refusal(
                    APIError(
                        .internalError, "the control plane failed; its log says why under request \(context.id)",
                        hint: "try again; if it fails again, look at the control plane's log"))
            }
            return try .refusal(refusal)
        }
    }
}

extension Response {
    static func refusal(_ error: APIError) throws -> Response {
        var response = try Response.json(ErrorBody(error), status: ErrorStatus.status(of: error.code))
        if error.code == .busy || error.code == .shuttingDown { response.headers[.retryAfter] = "2" }
        if error.code == .unauthenticated { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}
