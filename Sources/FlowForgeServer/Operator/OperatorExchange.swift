import FlowForgeProtocol
import Foundation
import Hummingbird
import NIOCore

extension Response {
    /// JSON as ``WireCoding`` writes it.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response.json(bytes: try WireCoding.encode(value), status: status)
    }

    static func json(bytes: some Sequence<UInt8>, status: HTTPResponse.Status = .ok) -> Response {
        let body = ByteBuffer(bytes: bytes)
        return Response(
            status: status,
            headers: [.contentType: "application/json", .contentLength: "\(body.readableBytes)", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: body))
    }

    /// What was asked to be there: 201 when it was made now, 200 when it was there already.
    static func created(_ created: Bool, _ value: some Encodable) throws -> Response {
        try json(value, status: created ? .created : .ok)
    }
}

extension Request {
    /// Of every body but that of a blob, in bytes.
    static let largestOperatorBody = 1 << 20

    /// Throws ``APIError`` `too_large`, or `invalid_request` with the field that is wrong.
    func decoded<Value: Decodable>(_ type: Value.Type) async throws -> Value {
        let bytes = try await collected(upTo: Self.largestOperatorBody)
        do {
            return try WireCoding.decode(type, from: Data(bytes.readableBytesView))
        } catch let error as DecodingError {
            throw APIError(invalidBody: error)
        }
    }

    /// Runs a long poll, which ends when the client goes away.
    func held<Value: Sendable>(
        for wait: Duration, _ poll: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard wait > .zero else { return try await poll() }
        return try await Connection.cancellingWhenClosed(poll)
    }
}

extension APIError {
    /// Says which member of a JSON body is wrong, and how.
    init(invalidBody error: DecodingError) {
        func field(_ path: [any CodingKey]) -> String {
            let text = path.reduce(into: "") { text, key in
                text += key.intValue.map { "[\($0)]" } ?? (text.isEmpty ? key.stringValue : ".\(key.stringValue)")
            }
            return text.isEmpty ? "the body" : String(text.prefix(200))
        }
        let message =
            switch error {
            case .keyNotFound(let key, let context): "\(field(context.codingPath + [key])): missing"
            case .valueNotFound(_, let context): "\(field(context.codingPath)): null is not allowed here"
            case .typeMismatch(let type, let context): "\(field(context.codingPath)): not \(Self.kind(type))"
            case .dataCorrupted(let context) where context.codingPath.isEmpty: "the body is not JSON"
            case .dataCorrupted(let context): "\(field(context.codingPath)): \(context.debugDescription.prefix(200))"
            @unknown default: "the body is not of the expected form"
            }
        self.init(.invalidRequest, message, hint: "GET \(OperatorAPI.basePath)/openapi.json describes every request")
    }

    private static func kind(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "text"
        case is Int.Type, is Int64.Type: "a whole number"
        case is Double.Type: "a number"
        case is Bool.Type: "true or false"
        case is [String: JSONValue].Type, is [String: Any].Type: "an object"
        case is [Any].Type: "a list"
        default: "of the expected type"
        }
    }
}
