import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Hummingbird

/// The parameters of a request, read strictly: unknown, repeated and malformed ones are refused by
/// name, since a filter that is silently ignored answers another question than the one asked.
struct OperatorQuery {
    static let defaultLimit = 50
    static let largestLimit = 500

    private var values: [String: String] = [:]

    /// Throws ``APIError`` `invalid_request`.
    init(_ request: Request, allowing names: [String] = []) throws(APIError) {
        for (name, value) in request.uri.queryParameters {
            let name = String(name)
            guard names.contains(name) else {
                let nearest = Spelling.nearest(name, among: names)
                throw APIError(
                    .invalidRequest, "\(name.prefix(80)): this request has no such parameter",
                    hint: nearest.map { "did you mean '\($0)'?" }
                        ?? (names.isEmpty ? "it takes none" : "it takes \(names.joined(separator: ", "))"))
            }
            guard values.updateValue(String(value), forKey: name) == nil else {
                throw APIError(.invalidRequest, "\(name): given more than once", hint: "give it once")
            }
        }
    }

    func text(_ name: String) -> String? { values[name] }

    func required(_ name: String) throws(APIError) -> String {
        guard let value = values[name], !value.isEmpty else {
            throw APIError(.invalidRequest, "\(name): missing", hint: "add '?\(name)=…' to the address")
        }
        return value
    }

    /// `after` and `limit` (1…500, else 50) of a list.
    func page() throws(APIError) -> (after: String?, limit: Int) {
        (values["after"], try integer("limit", in: 1...Self.largestLimit) ?? Self.defaultLimit)
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let text = values[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw Self.refusal(name, text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func time(_ name: String) throws(APIError) -> Date? {
        guard let text = values[name] else { return nil }
        guard let time = WireCoding.time(text) else { throw Self.refusal(name, text, "a time, e.g. 2026-12-01T00:00:00Z") }
        return time
    }

    func flag(_ name: String) throws(APIError) -> Bool {
        switch values[name] {
        case nil, "false": return false
        case "true": return true
        case let text?: throw Self.refusal(name, text, "true or false")
        }
    }

    /// A version to wait beyond.
    func version(_ name: String) throws(APIError) -> Int64? {
        guard let text = values[name] else { return nil }
        guard let value = Int64(text), value >= 0 else { throw Self.refusal(name, text, "a whole number from 0") }
        return value
    }

    /// How long the answer may be held; not at all unless asked for.
    func wait() throws(APIError) -> Duration {
        guard let text = values["wait"] else { return .zero }
        let longest = AgentAPI.longestPoll.components.seconds
        guard let seconds = Double(text), (0...Double(longest)).contains(seconds) else {
            throw Self.refusal("wait", text, "seconds from 0 to \(longest)")
        }
        return .seconds(seconds)
    }

    func choice<Value: WireEnum>(_ name: String, _ type: Value.Type) throws(APIError) -> Value? {
        guard let text = values[name] else { return nil }
        guard let value = Value(rawValue: text), value != .unknown else {
            let known = Value.allCases.filter { $0 != .unknown }.map(\.rawValue).joined(separator: ", ")
            throw Self.refusal(name, text, "one of \(known)")
        }
        return value
    }

    func asset(_ name: String) throws(APIError) -> AssetName { try Self.asset(try required(name), field: name) }

    static func asset(_ text: String, field: String) throws(APIError) -> AssetName {
        guard let asset = AssetName(text) else {
            throw refusal(field, text, "an asset name (bronze|silver|gold.<table>)")
        }
        return asset
    }

    fileprivate static func refusal(_ name: String, _ text: String, _ wanted: String) -> APIError {
        APIError(.invalidRequest, "\(name): '\(text.prefix(80))' is not \(wanted)", hint: "give \(wanted)")
    }
}

extension OperatorContext {
    /// A part of the path, percent-decoded (the router hands it over as it came).
    func part(_ name: String) throws(APIError) -> String {
        guard let text = parameters.get(name)?.removingPercentEncoding, !text.isEmpty else {
            throw APIError(.invalidRequest, "\(name): not percent-encoded UTF-8", hint: "encode the part as RFC 3986 says")
        }
        return text
    }

    func id<Entity>(_ name: String, of type: Entity.Type) throws(APIError) -> ID<Entity> {
        let text = try part(name)
        guard let id = ID<Entity>(text) else {
            throw OperatorQuery.refusal(name, text, "an id that begins with '\(Entity.prefix)_'")
        }
        return id
    }
}
