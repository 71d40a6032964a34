internal import FlowForgeProtocol
internal import FlowForgeStore
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
        } catch is ClientGone {
            // Nobody reads it; the log and the metrics do (499 is nginx's for the same).
            return Response(status: .init(code: 499, reasonPhrase: "Client Closed Request"))
        } catch {
            var answer = try Response.refusal(refusal(for: error, to: request, context))
            if request.mayHaveMuchLeft || (error as? APIError)?.code == .requestTimeout {
                answer.headers[.connection] = "close"
                Connection.current?.closeSoon()
            }
            // A client takes what follows an answer to HEAD for the next answer (RFC 9110, section 9.3.2).
            return request.method == .head ? answer.createHeadResponse() : answer
        }
    }

    private func refusal(for error: any Error, to request: Request, _ context: Context) -> APIError {
        if case StoreError.corrupt(let what) = error {
            context.logger.critical("the database is damaged; restore a backup", metadata: ["what": "\(what)"])
        }
        if let refusal = ErrorStatus.refusal(for: error) { return refusal }
        context.logger.error(
            "request failed", metadata: ["method": "\(request.method)", "path": "\(request.uri.path)", "error": "\(error)"])
        return APIError(
            .internalError, "the control plane failed; its log says why under request \(context.id)",
            hint: "try again; if it fails again, look at the control plane's log")
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
