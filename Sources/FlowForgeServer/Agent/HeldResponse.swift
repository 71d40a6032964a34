internal import FlowForgeOrchestration
internal import FlowForgeProtocol
internal import Foundation
internal import Hummingbird
internal import Logging
internal import NIOCore

extension Response {
    /// The answer to a poll that is held: its head at once, its body when there is something to say. What
    /// of the request and of the middleware was needed until here is given back: thousands are held.
    static func held(
        _ poll: HeldPoll, logger: Logger, _ encode: @escaping @Sendable (AgentAPI.PollResponse) throws -> Data
    ) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                let watch = Connection.current?.whenClosed { poll.leave() }
                defer { watch?.end() }
                do { try await poll.hold() } catch is CancellationError {
                    throw ClientGone()
                } catch {
                    // Too late for a refusal: this answer says nothing, and the agent's next poll is refused.
                    logger.log(
                        level: error is APIError ? .info : .error, "a held poll failed", metadata: ["error": "\(error)"])
                }
                try await writer.write(ByteBuffer(bytes: encode(poll.answer)))
                try await writer.finish(nil)
            })
    }
}
