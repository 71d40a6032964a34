public import Foundation

/// The one way that FlowForge writes and reads JSON: UTC times in RFC 3339 with milliseconds, keys
/// sorted (so equal values are equal bytes), slashes left alone.
public enum WireCoding {
    /// Foundation's `.iso8601` strategy drops fractions of a second, hence our own.
    public static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    private static let wholeSeconds = Date.ISO8601FormatStyle()

    public static func encoder(pretty: Bool = false) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(text(date))
        }
        return encoder
    }

    /// Reads times with and without fractions. Unknown members are ignored: a newer peer may send them.
    public static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let date = time(text) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "'\(text.prefix(64))' is not an RFC 3339 time")
            }
            return date
        }
        return decoder
    }

    /// RFC 3339 with milliseconds, rounded. The style alone cuts off: a time that is stored a hair below
    /// its millisecond, as most are, would lose one each time it is written.
    public static func text(_ time: Date) -> String {
        let milliseconds = (time.timeIntervalSince1970 * 1000).rounded()
        return Date(timeIntervalSince1970: (milliseconds + 0.25) / 1000).formatted(timeStyle)
    }

    public static func time(_ text: String) -> Date? {
        (try? timeStyle.parse(text)) ?? (try? wholeSeconds.parse(text))
    }

    // Both may be used by several threads at once.
    private static let compactEncoder = encoder()
    private static let sharedDecoder = decoder()

    public static func encode(_ value: some Encodable) throws -> Data { try compactEncoder.encode(value) }

    public static func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
        try sharedDecoder.decode(type, from: data)
    }
}

/// An enumeration that crosses the wire: a value that this build does not know decodes as
/// ``unknown`` instead of failing the whole message.
public protocol WireEnum: RawRepresentable<String>, Codable, Sendable, Hashable, CaseIterable {
    static var unknown: Self { get }
}

extension WireEnum {
    public init(from decoder: any Decoder) throws {
        self = Self(rawValue: try decoder.singleValueContainer().decode(String.self)) ?? .unknown
    }
}
