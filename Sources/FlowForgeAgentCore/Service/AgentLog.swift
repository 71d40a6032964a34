import FlowForgeProtocol
import Foundation
public import Logging

/// The agent's own log, one line an event on standard error, as people or programs read it.
public enum AgentLog {
    public static func logger(_ settings: LogSettings) -> Logger {
        var logger = Logger(label: "flowforge-agent") { _ in LineHandler(format: settings.format) }
        logger.logLevel = Logger.Level(rawValue: settings.level.rawValue) ?? .info
        return logger
    }
}

private struct LineHandler: LogHandler {
    let format: LogSettings.Format
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        var line =
            switch format {
            case .text: text(event, fields)
            case .json: json(event, fields)
            }
        // What an engine says in full may hold what its task was given.
        if let redactor = Redactor.current { line = redactor.redact(line) }
        // One write, so that lines of several threads do not mix.
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func text(_ event: LogEvent, _ fields: Logger.Metadata) -> String {
        let level = event.level.rawValue.padding(toLength: 7, withPad: " ", startingAt: 0)
        let tail = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
        return "\(Date().formatted(WireCoding.timeStyle)) \(level) \(Self.oneLine(event.message.description))\(tail)"
    }

    private func json(_ event: LogEvent, _ fields: Logger.Metadata) -> String {
        var object = Dictionary(uniqueKeysWithValues: fields.map { ($0.key, JSONValue.string("\($0.value)")) })
        object["time"] = .string(Date().formatted(WireCoding.timeStyle))
        object["level"] = .string(event.level.rawValue)
        object["message"] = .string(event.message.description)
        guard let bytes = try? WireCoding.encode(JSONValue.object(object)) else { return "{}" }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func quoted(_ text: String) -> String {
        let plain = oneLine(text)
        return plain.contains(" ") || plain.isEmpty ? "\"\(plain.replacing("\"", with: "'"))\"" : plain
    }

    /// What a task or a server said must not forge lines of the log.
    private static func oneLine(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    }
}
