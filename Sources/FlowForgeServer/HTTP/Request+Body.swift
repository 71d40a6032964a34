internal import FlowForgeProtocol
internal import Foundation
internal import Hummingbird
internal import NIOCore

extension Request {
    /// The body as JSON of at most `largest` bytes; see ``collected(upTo:)``.
    func json<Body: Decodable>(_ type: Body.Type, largest: Int = AgentAPI.largestBody) async throws -> Body {
        try WireCoding.decode(type, from: Data(try await collected(upTo: largest).readableBytesView))
    }

    /// The whole body. Throws ``ErrorCode/tooLarge`` without reading what is beyond `largest` bytes, and
    /// ``ErrorCode/requestTimeout`` when the client takes longer than ``ConnectionLimits/body``.
    func collected(upTo largest: Int) async throws -> ByteBuffer {
        let tooLarge = APIError(
            .tooLarge, "the body has more than \(largest >= 1 << 20 ? "\(largest >> 20) MiB" : "\(largest >> 10) KiB")",
            hint: "send less at a time")
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > largest { throw tooLarge }
        let body = body
        let deadline = (Connection.current?.limits ?? ConnectionLimits()).body
        do {
            return try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
                group.addTask { try await body.collect(upTo: largest) }
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
    /// after a refusal, the connection is given up. Up to 8 MiB are read, since a client that is still
    /// sending when the connection closes may never see the refusal.
    var mayHaveMuchLeft: Bool {
        headers[.transferEncoding] != nil || (headers[.contentLength].flatMap { Int($0) } ?? 0) > 8 << 20
    }
}
