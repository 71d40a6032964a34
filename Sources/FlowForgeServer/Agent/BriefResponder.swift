internal import Hummingbird

/// Answers each request in a child task. A connection is one Swift task, which keeps the memory of the
/// deepest calls that it ever made until it ends; a child's goes with it, and ten thousand connections
/// that only wait are small.
struct BriefResponder<Inner: HTTPResponder>: HTTPResponder where Inner.Context: Sendable {
    let inner: Inner

    func respond(to request: Request, context: Inner.Context) async throws -> Response {
        try await withThrowingTaskGroup(of: Response.self) { group in
            // Begins on this thread, so that a request costs no hop.
            group.addImmediateTask { try await inner.respond(to: request, context: context) }
            guard let response = try await group.next() else { throw CancellationError() }
            return response
        }
    }
}
