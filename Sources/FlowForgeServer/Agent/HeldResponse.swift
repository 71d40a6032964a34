internal import FlowForgeOrchestration
internal import FlowForgeProtocol
internal import Foundation
internal import Hummingbird
internal import Logging
internal import NIOCore

extension Response {
    /// The answer to a poll that is held: its head at once, its body when there is something to say. What
    /// of the request and of the middleware was needed until here is given back, which is a fourth of the
    /// memory that an idle agent costs.
    static func held(
        _ poll: HeldPoll, logger: Logger, _ encode: @escaping @Sendable (AgentAPI.PollResponse) throws -> Data
    ) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                let watch = Connection.current?.whenClosed { poll.leave() }
                defer { watch?.end() }
                let answer: AgentAPI.PollResponse
                do {
                    answer = try await poll.hold()
                } catch is CancellationError {
                    throw ClientGone()
                } catch {
                    // Too late for a refusal: the agent's next poll gets it.
                    logger.error("a held poll failed", metadata: ["error": "\(error)"])
                    answer = poll.nothing
                }
                try await writer.write(ByteBuffer(bytes: encode(answer)))
                try await writer.finish(nil)
            })
    }
}
