internal import FlowForgeProtocol
internal import Foundation
public import Logging

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// One JSON object a line on standard error: `time`, `level`, `message`, then the metadata (`run`,
/// `agent`, …) as members of `metadata`. Each line is one `write`, so nothing is buffered and lines
/// do not mix.
public struct JSONLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    public var logLevel: Logger.Level
    private let label: String

    public init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let own = event.metadata { all.merge(own) { _, new in new } }
        let line = Line(
            time: Date(), level: event.level.rawValue, logger: label, message: event.message.description,
            metadata: all.mapValues(\.json))
        guard var data = try? WireCoding.encode(line) else { return }
        data.append(UInt8(ascii: "\n"))
        // A log that cannot be written has no other place to say so.
        data.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private struct Line: Encodable {
        var time: Date
        var level: String
        var logger: String
        var message: String
        var metadata: [String: JSONValue]
    }
}

extension Logger.MetadataValue {
    fileprivate var json: JSONValue {
        switch self {
        case .string(let text): .string(text)
        case .stringConvertible(let value): .string(value.description)
        case .array(let values): .array(values.map(\.json))
        case .dictionary(let members): .object(members.mapValues(\.json))
        }
    }
}
