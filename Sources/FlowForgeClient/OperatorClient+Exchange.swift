import AsyncHTTPClient
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOHTTP1

/// One request, below `/api/v1` unless its path begins elsewhere.
struct Call {
    var method: HTTPMethod
    var path: String
    var query: [(String, String?)] = []
    var body: ByteBuffer?
    /// How long the server may hold the answer back on purpose.
    var held: Duration = .zero
    /// Read timeout in the absence of a held answer; `nil`: the client's own.
    var timeout: Duration?

    static func get(_ path: String, _ query: [(String, String?)] = [], held: Duration = .zero) -> Self {
        Self(method: .GET, path: path, query: query, held: held)
    }

    static func post(_ path: String) -> Self { Self(method: .POST, path: path) }

    static func post(_ path: String, _ body: some Encodable) throws -> Self {
        Self(method: .POST, path: path, body: ByteBuffer(bytes: try WireCoding.encode(body)))
    }

    static func put(_ path: String, _ body: some Encodable) throws -> Self {
        Self(method: .PUT, path: path, body: ByteBuffer(bytes: try WireCoding.encode(body)))
    }

    static func delete(_ path: String) -> Self { Self(method: .DELETE, path: path) }
}

struct Answer {
    var status: HTTPResponseStatus
    var body: ByteBuffer
}

extension OperatorClient {
    /// The largest answer that is read, in bytes; a page of anything is far below.
    static let largestAnswer = 64 << 20

    func value<Value: Decodable>(_ call: Call, as type: Value.Type = Value.self) async throws -> Value {
        try decode(type, from: try await exchange(call))
    }

    /// As ``value(_:as:)``, and whether the answer said 201 (made now) rather than 200 (was there).
    func created<Value: Decodable>(_ call: Call, as type: Value.Type = Value.self) async throws -> (Value, Bool) {
        let answer = try await exchange(call)
        return (try decode(type, from: answer), answer.status == .created)
    }

    func exchange(_ call: Call) async throws -> Answer {
        do {
            return try await exchangeOnce(call)
        } catch let error as ClientError where call.method == .GET && error.isConnectionFailure {
            return try await exchangeOnce(call)
        }
    }

    private func exchangeOnce(_ call: Call) async throws -> Answer {
        var request = request(call.method, call.path, call.query)
        if let body = call.body {
            request.headers.replaceOrAdd(name: "Content-Type", value: "application/json")
            request.body = .bytes(body)
        }
        return try await send(request, within: (call.timeout ?? timeout) + call.held)
    }

    func request(_ method: HTTPMethod, _ path: String, _ query: [(String, String?)] = []) -> HTTPClientRequest {
        let items = query.compactMap { name, value in value.map { "\(name)=\(Self.escape($0))" } }
        var request = HTTPClientRequest(
            url: "\(address)\(OperatorAPI.basePath)\(path)" + (items.isEmpty ? "" : "?" + items.joined(separator: "&")))
        request.method = method
        request.headers.add(name: "Authorization", value: "Bearer \(token.reveal())")
        request.headers.add(name: "User-Agent", value: "flowforge/\(FlowForgeVersion.current)")
        request.headers.add(name: "Accept", value: "application/json")
        return request
    }

    /// Throws `APIError` for every status from 400 up.
    func send(
        _ request: HTTPClientRequest, within limit: Duration, largest: Int = OperatorClient.largestAnswer
    ) async throws -> Answer {
        let answer: Answer
        do {
            let response = try await http.execute(request, timeout: .nanoseconds(limit.nanoseconds))
            answer = Answer(status: response.status, body: try await response.body.collect(upTo: largest))
        } catch let error as CancellationError {
            throw error
        } catch let error as HTTPClientError where error == .cancelled {
            throw CancellationError()
        } catch is NIOTooManyBytesError {
            throw ClientError(
                .unexpectedAnswer, "the answer of \(address) has more than \(largest) bytes",
                hint: largest == Self.largestAnswer ? "ask for less at once, with --limit" : "is there a proxy in between?")
        } catch {
            throw ClientError(error, reaching: address)
        }
        if answer.status.code >= 300 { throw refusal(answer) }
        return answer
    }

    private func refusal(_ answer: Answer) -> any Error {
        if let body = try? WireCoding.decode(ErrorBody.self, from: Data(answer.body.readableBytesView)) { return body.error }
        // A HEAD has no body to say more.
        if answer.status == .notFound && answer.body.readableBytes == 0 {
            return APIError(.notFound, "\(address) has nothing under that name")
        }
        return ClientError(
            .unexpectedAnswer, "\(address) answered \(answer.status.code) \(answer.status.reasonPhrase) without saying why",
            hint: "is this the operator API of a control plane, and no proxy in between?")
    }

    private func decode<Value: Decodable>(_ type: Value.Type, from answer: Answer) throws -> Value {
        do {
            return try WireCoding.decode(type, from: Data(answer.body.readableBytesView))
        } catch {
            throw ClientError(
                .unexpectedAnswer, "the answer of \(address) is not what the operator API says: \(Self.plain(error))",
                hint: "are this program (\(FlowForgeVersion.current)) and the control plane of the same release?")
        }
    }

    private static func plain(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "'\((context.codingPath + [key]).map(\.stringValue).joined(separator: "."))' is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            context.codingPath.isEmpty
                ? "it is no JSON of that kind"
                : "'\(context.codingPath.map(\.stringValue).joined(separator: "."))': \(context.debugDescription)"
        default: "it cannot be read"
        }
    }

    static func page(_ after: String?, _ limit: Int?) -> [(String, String?)] {
        [("after", after), ("limit", limit.map(String.init))]
    }

    /// Percent-encodes everything but RFC 3986's unreserved characters, for a path segment or a query value.
    static func escape(_ text: some CustomStringConvertible) -> String {
        text.description.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                String(UnicodeScalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }
}

extension ClientError {
    /// Nothing was answered, so asking again may help where asking twice does no harm.
    var isConnectionFailure: Bool { kind == .unreachable || kind == .interrupted }
}
