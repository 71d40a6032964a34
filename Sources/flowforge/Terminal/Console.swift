import FlowForgeProtocol
import Foundation
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Whoever read our output has gone away, as `head` does. Ends the program quietly.
struct OutputClosed: Error {}

/// Standard output and error of one command. What is asked for goes to the first, notes about it to
/// the second, so that `--json` output and pipes hold nothing else.
struct Console: Sendable {
    let style: Style
    /// Of standard error, which can be a terminal where the output is not.
    let noteStyle: Style
    let json: Bool
    let quiet: Bool
    let isTerminal: Bool
    let zone: TimeZone

    init(_ global: GlobalOptions, environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.init(json: global.json, quiet: global.quiet, noColor: global.noColor, environment: environment)
    }

    init(json: Bool, quiet: Bool, noColor: Bool, environment: [String: String]) {
        let mayColour = !noColor && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        let unicode = locale.lowercased().replacing("-", with: "").contains("utf8")
        isTerminal = isatty(STDOUT_FILENO) == 1
        style = Style(colour: mayColour && isTerminal, unicode: unicode)
        noteStyle = Style(colour: mayColour && isatty(STDERR_FILENO) == 1, unicode: unicode)
        self.json = json
        self.quiet = quiet
        zone = .current
    }

    /// Of the terminal; `nil` where output is none and need not be cut.
    var width: Int? { isTerminal ? Self.size().columns : nil }
    var height: Int { Self.size().rows }

    func print(_ text: String) throws {
        try Self.write(Printable.text(text, keepingColour: style.colour) + "\n", to: STDOUT_FILENO)
    }

    /// Cursor movement, which ``print(_:)`` would not let through.
    func control(_ sequence: String) throws { try Self.write(sequence, to: STDOUT_FILENO) }

    /// The API's own JSON on one line; indented where a person reads it.
    func print(json value: some Encodable) throws {
        let bytes = try WireCoding.encoder(pretty: isTerminal).encode(value)
        try Self.write(String(decoding: bytes, as: UTF8.self) + "\n", to: STDOUT_FILENO)
    }

    /// One of a stream of values, always on one line.
    func print(jsonLine value: some Encodable) throws {
        try Self.write(String(decoding: try WireCoding.encode(value), as: UTF8.self) + "\n", to: STDOUT_FILENO)
    }

    /// Said on standard error, unless `--quiet` or `--json` ask for silence.
    func note(_ text: String) {
        guard !quiet, !json else { return }
        complain(noteStyle.paint(text, .dim))
    }

    /// How far long work is, on a line of standard error that the next call replaces and an empty text takes away; nothing
    /// where that is no terminal.
    func progress(_ text: String) {
        guard !quiet, !json, isatty(STDERR_FILENO) == 1 else { return }
        try? Self.write("\r\u{1B}[K" + (text.isEmpty ? "" : noteStyle.paint(Printable.line(text), .dim)), to: STDERR_FILENO)
    }

    /// Said on standard error whatever the options.
    func complain(_ text: String) {
        // Nobody is left to tell that standard error is closed.
        try? Self.write(Printable.text(text, keepingColour: noteStyle.colour) + "\n", to: STDERR_FILENO)
    }

    private static func size() -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return (80, 24) }
        return (Int(size.ws_col), max(2, Int(size.ws_row)))
    }

    private static func write(_ text: String, to descriptor: Int32) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if errno == EAGAIN {
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wanted, 1, -1)
            } else if errno == EPIPE {
                throw OutputClosed()
            } else if errno != EINTR {
                throw CommandError(
                    .failed, "file_system", "the output cannot be written: \(String(cString: strerror(errno)))",
                    hint: "check where the output goes, and that there is room")
            }
        }
    }
}

/// `write(2)`, whose name ``Console/write(_:to:)`` hides.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
