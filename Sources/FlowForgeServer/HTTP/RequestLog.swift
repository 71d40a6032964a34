internal import Hummingbird
internal import Logging

/// One line for each answered request, at debug level, at info when the answer is 5xx.
struct RequestLog<Context: RequestContext>: RouterMiddleware {
    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let response = try await next(request, context)
        context.logger.log(
            level: response.status.code >= 500 ? .info : .debug, "request",
            metadata: [
                "method": "\(request.method)", "path": "\(request.uri.path)", "status": "\(response.status.code)",
                "ms": "\((ContinuousClock.now - start).nanoseconds / 1_000_000)",
            ])
        return response
    }
}
