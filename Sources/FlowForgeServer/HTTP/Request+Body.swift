internal import FlowForgeProtocol
internal import Foundation
internal import Hummingbird
internal import NIOCore

extension Request {
    /// The body as JSON of at most `largest` bytes; see ``collected(upTo:)``.
    func json<Body: Decodable>(_ type: Body.Type, largest: Int = AgentAPI.largestBody) async throws -> Body {
        try WireCoding.decode(type, from: Data(try await collected(upTo: largest).readableBytesView))
    }

    /// What is read of a body that is refused for its size: a client that is still sending when the
    /// answer comes may take the connection for broken and never see it.
    private static var largestRefusedButRead: Int { 8 << 20 }

    /// The whole body. Throws ``ErrorCode/tooLarge`` without keeping what is beyond `largest` bytes (and
    /// without reading more than 8 MiB), and ``ErrorCode/requestTimeout`` when the client takes longer than
    /// ``ConnectionLimits/body``.
    func collected(upTo largest: Int) async throws -> ByteBuffer {
        let tooLarge = APIError(
            .tooLarge, "the body has more than \(largest >> 20) MiB", hint: "send less at a time")
        let length = headers[.contentLength].flatMap { Int($0) } ?? 0
        if length > max(largest, Self.largestRefusedButRead) { throw tooLarge }
        let body = body
        let deadline = (Connection.current?.limits ?? ConnectionLimits()).body
        do {
            return try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
                group.addTask {
                    guard length > largest else { return try await body.collect(upTo: largest) }
                    for try await _ in body {}
                    throw tooLarge
                }
                group.addTask {
                    try await Task.sleep(for: deadline)
                    throw APIError(
                        .requestTimeout, "the body did not arrive within \(deadline)", hint: "check the network and try again")
                }
                defer { group.cancelAll() }
                guard let buffer = try await group.next() else { throw CancellationError() }
                return buffer
            }
        } catch is NIOTooManyBytesError {
            throw tooLarge
        }
    }

    /// Whether what is left of the body may be much, or may never come: rather than read it to its end
    /// after a refusal, the connection is given up.
    var mayHaveMuchLeft: Bool {
        headers[.transferEncoding] != nil || (headers[.contentLength].flatMap { Int($0) } ?? 0) > Self.largestRefusedButRead
    }
}
