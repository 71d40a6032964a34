import Logging
import Synchronization

/// What was logged, for tests that wait for it.
final class Said: LogHandler, Sendable {
    private let lines = Mutex<[String]>([])

    func contains(_ text: String) -> Bool { count(text) > 0 }
    func count(_ text: String) -> Int { lines.withLock { $0.count { $0.contains(text) } } }

    func log(event: LogEvent) {
        let metadata = event.metadata.map { " \($0)" } ?? ""
        lines.withLock { $0.append("\(event.level): \(event.message)\(metadata)") }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
}
