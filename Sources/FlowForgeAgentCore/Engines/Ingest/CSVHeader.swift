import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// The column names in the first line of a CSV file.
struct CSVHeader: Hashable, Sendable {
    let names: [String]

    /// More than this is no header.
    private static let longest = 1 << 20

    /// Throws `source_schema` where the file has no readable header.
    static func read(_ file: SourceFiles.File, source: SourceSpec) throws -> CSVHeader {
        let handle = try FileHandle(forReadingFrom: URL(filePath: file.path))
        defer { try? handle.close() }
        var bytes = [UInt8](try handle.read(upToCount: longest) ?? Data())
        guard !bytes.isEmpty else {
            throw refusal(
                file, "is empty: it has no header", hint: "check the delivery; a file without rows still needs its header")
        }
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw refusal(file, "is UTF-16 text", hint: "convert it to UTF-8")
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        guard let names = fields(bytes, delimiter: Array(source.delimiter.utf8), quote: source.quote.utf8.first) else {
            throw refusal(file, "has no end of its header within \(longest) bytes", hint: "is it a CSV file?")
        }
        return CSVHeader(names: names.map { $0.trimmingCharacters(in: .whitespaces) })
    }

    /// The fields of the first record; `nil` where it does not end and the bytes were cut.
    static func fields(_ bytes: [UInt8], delimiter: [UInt8], quote: UInt8?) -> [String]? {
        var result: [String] = []
        var field: [UInt8] = []
        var isQuoted = false
        var index = 0
        func close() { result.append(String(decoding: field, as: UTF8.self)) }
        while index < bytes.count {
            let byte = bytes[index]
            if let quote, byte == quote {
                if isQuoted, index + 1 < bytes.count, bytes[index + 1] == quote {
                    field.append(quote)
                    index += 1
                } else {
                    isQuoted.toggle()
                }
            } else if !isQuoted, byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                close()
                return result
            } else if !isQuoted, bytes[index...].starts(with: delimiter) {
                close()
                field = []
                index += delimiter.count - 1
            } else {
                field.append(byte)
            }
            index += 1
        }
        close()
        return bytes.count >= longest ? nil : result
    }

    /// Where each declared column is in the file. Throws `source_schema` naming the missing ones.
    func positions(of columns: [SourceColumn], in file: SourceFiles.File, delimiter: String) throws -> [Int] {
        let missing = columns.map(\.name).filter { !names.contains($0) }
        guard missing.isEmpty else {
            throw Self.refusal(
                file,
                "lacks the declared \(missing.count == 1 ? "column" : "columns") \(missing.map { "'\($0)'" }.joined(separator: ", "))",
                hint: hint(missing: missing, of: columns.count, delimiter: delimiter))
        }
        if let twice = columns.first(where: { column in names.count { $0 == column.name } > 1 }) {
            throw Self.refusal(file, "has the column '\(twice.name)' more than once", hint: "rename one of them at the source")
        }
        return columns.map { names.firstIndex(of: $0.name)! }
    }

    /// Says what the first line holds only where that is surely a header: in a file without one it is data.
    private func hint(missing: [String], of declared: Int, delimiter: String) -> String {
        if names.count == 1, let only = names.first {
            for (other, name) in [(";", "';'"), ("\t", "tab"), ("|", "'|'"), (",", "','")] where other != delimiter {
                if only.contains(other) {
                    return "its header looks separated by \(name), not '\(delimiter)': set source.delimiter"
                }
            }
        }
        let folded = Dictionary(names.map { ($0.lowercased(), $0) }) { first, _ in first }
        if let near = missing.compactMap({ name in folded[name.lowercased()].map { (name, $0) } }).first {
            return "it has '\(near.1)': names must match exactly, so declare '\(near.1)'"
        }
        guard missing.count * 2 <= declared else {
            return
                "its first line has \(names.count) fields, and most of them are no declared columns: does the file have a header line?"
        }
        return "its columns are \(names.prefix(50).map { "'\($0.prefix(60))'" }.joined(separator: ", "))"
    }

    static func refusal(_ file: SourceFiles.File, _ what: String, hint: String) -> TaskError {
        TaskError(code: "source_schema", message: "\(file.name) \(what)", hint: hint)
    }
}
